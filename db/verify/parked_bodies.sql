-- Verify aisha:parked_bodies on pg

begin;

select sha256(body) from parked_updates where false;

rollback;
