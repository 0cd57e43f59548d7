-- Verify aisha:transcripts on pg

begin;

select id, number, user_id, chat_id, message_id, language, speech_language, source, name, file_id, file_size, status,
       failure, is_stopping, format, duration_ms, price, charged, is_free, model, cost_microdollars,
       spent_microdollars, pieces, pieces_bucket, recognised_ms, spoken_language, words, text, cues, search,
       created_at, started_at, completed_at
from user_transcripts
where false;
select transcript_id, user_id, number, start_ms, length_ms, is_silent, begins_in_noise, bucket, object_key,
       status, language, cues
from user_transcript_pieces
where false;
select transcript_id, user_id, kind, chat_id, language, status, parts, text, created_at, completed_at
from user_transcript_notes
where false;

select speech_language from user_settings where false;

do $$
begin
    assert pg_get_viewdef('paid_work'::regclass) like '%user_transcripts%', 'a hold may be for speech';
    assert pg_get_functiondef('spend_today'::regproc) like '%user_transcripts%', 'the day knows of speech';
end $$;

rollback;
