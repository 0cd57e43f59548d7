-- Verify aisha:transcript_strays on pg

begin;

select 1 / (prosrc not like '%t.status = ''processing'' and t.pieces%')::int
from pg_proc where oid = 'erasure_strays(uuid, bigint, text, text)'::regprocedure;

rollback;
