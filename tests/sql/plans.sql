-- How many rows of the tables that grow a statement reads. For inclusion by a test that has made
-- a temporary table growing (relation text) of them, and has prepared its statements.

-- Rows that a plan takes from the tables that grow, with those that it looks at and passes over. Whether
-- they are read without an index PostgreSQL counts, also within functions.
create function pg_temp.explained(p_call text) returns jsonb
language plpgsql as $$
declare
    plan json;
begin
    execute 'explain (analyze, timing off, format json) execute ' || p_call into plan;
    return plan::jsonb;
end
$$;

create function pg_temp.scans(p_plan jsonb) returns table (relation text, kind text, rows_read bigint)
language sql as $$
    select n ->> 'Relation Name', n ->> 'Node Type',
           ((n ->> 'Actual Rows')::numeric + coalesce((n ->> 'Rows Removed by Filter')::numeric, 0)
            + coalesce((n ->> 'Rows Removed by Index Recheck')::numeric, 0))::bigint
           * (n ->> 'Actual Loops')::bigint
    from jsonb_path_query(p_plan, 'strict $.**') as n
    where jsonb_typeof(n) = 'object' and n ->> 'Relation Name' in (select relation from growing)
$$;

create function pg_temp.sequential_scans() returns bigint
language sql as $$
    select sum(pg_stat_get_xact_numscans(relation::regclass))::bigint from growing
$$;

-- A statement is to read so many rows at most, and none of them one after another from a table; with a
-- plan for any values, as it has after a while, and with one for these.
create function pg_temp.strays(p_call text, p_most bigint)
returns table (mode text, call text, rows_read bigint, sequential_scans bigint)
language plpgsql as $$
declare
    before bigint;
    plan jsonb;
begin
    call := p_call;
    foreach mode in array array['force_generic_plan', 'force_custom_plan'] loop
        perform set_config('plan_cache_mode', mode, true);
        before := pg_temp.sequential_scans();
        plan := pg_temp.explained(p_call);
        select coalesce(sum(s.rows_read), 0) into rows_read from pg_temp.scans(plan) s;
        sequential_scans := pg_temp.sequential_scans() - before;
        if rows_read > p_most or sequential_scans > 0 then
            return next;
        end if;
    end loop;
end
$$;
create function pg_temp.reads(p_call text, p_most bigint, p_what text) returns text
language sql as $$
    select is_empty(format('select * from pg_temp.strays(%L, %s)', p_call, p_most), p_what)
$$;
