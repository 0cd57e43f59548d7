-- Verify aisha:bots on pg

begin;

select id, username, updated_at from bots where false;

rollback;
