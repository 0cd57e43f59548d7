-- Revert aisha:exports from pg

begin;

set local lock_timeout = '2s';
set local role aisha_owner;

drop function export_begin, export_list, person_table_json, person_tables;
drop table export_parts, export_files, exports;

commit;
