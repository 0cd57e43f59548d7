-- Deploy aisha:people_found to pg
-- requires: status_page
--
-- People are found by how their name as a whole begins, or their last name. What was there for the
-- first name alone is dropped when no release asks for it any more.

set role aisha_owner;
create index concurrently if not exists users_name_begins
    on users (lower(first_name || ' ' || coalesce(last_name, '')) text_pattern_ops);
create index concurrently if not exists users_last_name_begins
    on users (lower(last_name) text_pattern_ops);
reset role;
