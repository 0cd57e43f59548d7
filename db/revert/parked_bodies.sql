-- Revert aisha:parked_bodies from pg
--
-- What is no text goes: the table before had no place for it.

begin;

set local lock_timeout = '2s';
create function pg_temp.text_of(bytes bytea) returns text
language plpgsql
as $$
begin
    return convert_from(bytes, 'UTF8');
exception when others then
    return null;
end $$;

delete from parked_updates where pg_temp.text_of(body) is null;
alter table parked_updates alter column body type text using pg_temp.text_of(body);

commit;
