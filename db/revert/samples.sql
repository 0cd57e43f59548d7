-- Revert aisha:samples from pg

begin;

set local lock_timeout = '2s';
set local role aisha_owner;

create or replace function spend_today(out spent bigint, out under_way bigint)
language sql stable
set search_path = public, pg_temp
as $$
    select (select coalesce(sum(microdollars), 0)
            from spend_days
            where day = (now() at time zone 'UTC')::date)::bigint,
           ((select coalesce(sum(cost_microdollars), 0)
             from image_generations
             where status in ('pending', 'processing') and submitting_at is null
               and fal_status_url is null and fal_response_data is null)
            + (select coalesce(sum(cost_microdollars), 0)
               from avatar_trainings
               where status in ('pending', 'processing') and submitting_at is null
                 and fal_status_url is null and fal_response_data is null)
            + (select coalesce(sum(greatest(cost_microdollars - spent_microdollars, 0)), 0)
               from user_transcripts
               where status = 'processing'))::bigint
$$;

delete from free_uses where thing = 'sample';
alter table free_uses drop constraint free_uses_thing_check;
alter table free_uses add constraint free_uses_thing_check
    check (thing in ('photo', 'preview', 'speech', 'note'));

drop function samples_prune;
drop table image_samples;

commit;
