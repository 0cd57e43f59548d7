-- Verify aisha:parties on pg

begin;

select source, document, fetched_at, requested_at from jwks where false;
select name, host, pid, release, lanes, started_at, seen_at from workers where false;
select name, ok_at, failed_at, error from parties where false;
select name, value, updated_at from counters where false;

rollback;
