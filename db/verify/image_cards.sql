-- Verify aisha:image_cards on pg

begin;

select id, created_at_us, original_prompt from image_cards where false;

rollback;
