-- The gallery: a person's images, newest first, by key. A place is the key of an image, not the
-- image: it holds when that one was deleted meanwhile. The last row of the page is where the reader
-- gets to; `moved` is how far that is. Empty values of a filter ask for nothing.

-- :gallery_older
with page as materialized (
    select id, row_number() over (order by created_at desc, id desc) as moved
    from images
    where user_id = $1
      and (created_at, id) < (timestamptz 'epoch' + $2::bigint * interval '1 microsecond', $3)
    order by created_at desc, id desc
    limit $4
)
select c.*, p.moved
from page p
join image_cards c on c.id = p.id
order by p.moved desc
limit 1

-- :gallery_newer
with page as materialized (
    select id, row_number() over (order by created_at, id) as moved
    from images
    where user_id = $1
      and (created_at, id) > (timestamptz 'epoch' + $2::bigint * interval '1 microsecond', $3)
    order by created_at, id
    limit $4
)
select c.*, p.moved
from page p
join image_cards c on c.id = p.id
order by p.moved desc
limit 1

-- :gallery_above
select count(*) as images
from images
where user_id = $1
  and (created_at, id) > (timestamptz 'epoch' + $2::bigint * interval '1 microsecond', $3)

-- :gallery_filtered_step
with page as materialized (
    select id, moved
    from gallery_walk($1, nullif($5, ''), nullif($6, ''), nullif($7::boolean, false),
                      string_to_array(nullif($8, ''), ',')::uuid[],
                      timestamptz 'epoch' + nullif($9::bigint, 0) * interval '1 microsecond',
                      timestamptz 'epoch' + nullif($10::bigint, 0) * interval '1 microsecond',
                      gallery_words($1, nullif($11, '')),
                      timestamptz 'epoch' + $2::bigint * interval '1 microsecond', $3, $4)
    order by moved desc
    limit 1
)
select c.*, p.moved
from page p
join image_cards c on c.id = p.id

-- :gallery_filtered_above
select gallery_above($1, nullif($4, ''), nullif($5, ''), nullif($6::boolean, false),
                     string_to_array(nullif($7, ''), ',')::uuid[],
                     timestamptz 'epoch' + nullif($8::bigint, 0) * interval '1 microsecond',
                     timestamptz 'epoch' + nullif($9::bigint, 0) * interval '1 microsecond',
                     gallery_words($1, nullif($10, '')),
                     timestamptz 'epoch' + $2::bigint * interval '1 microsecond', $3) as images

-- :gallery_can_search
select gallery_words($1, $2) is not null as can_search
