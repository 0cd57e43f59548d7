-- The gallery: a person's images, newest first, by key. A place is the key of an image, not the
-- image: it holds when that one was deleted meanwhile. The last row of the page is where the reader
-- gets to; `moved` is how far that is. Empty values of a filter ask for nothing.
--
-- What a statement reads is bounded by how far it moves, by how many facets a person has, or by days:
-- never by how many images there are.

-- :gallery_older
with page as materialized (
    select id, row_number() over (order by created_at desc, id desc) as moved
    from images
    where user_id = $1
      and (created_at, id) < (timestamptz 'epoch' + $2::bigint * interval '1 microsecond', $3)
    order by created_at desc, id desc
    limit $4
), reached as (
    select id, moved from page order by moved desc limit 1
)
select c.*, r.moved
from reached r
join image_cards c on c.id = r.id

-- :gallery_newer
with page as materialized (
    select id, row_number() over (order by created_at, id) as moved
    from images
    where user_id = $1
      and (created_at, id) > (timestamptz 'epoch' + $2::bigint * interval '1 microsecond', $3)
    order by created_at, id
    limit $4
), reached as (
    select id, moved from page order by moved desc limit 1
)
select c.*, r.moved
from reached r
join image_cards c on c.id = r.id

-- :gallery_filtered_older
with page as materialized (
    select n.id, row_number() over (order by n.created_at desc, n.id desc) as moved
    from gallery_facets($1, nullif($2, ''), nullif($3, ''), nullif($4::boolean, false),
                        string_to_array(nullif($5, ''), ',')::uuid[]) f
    cross join lateral (
        select i.created_at, i.id
        from images i
        where i.facet_id = f.id
          and (i.created_at, i.id) < (timestamptz 'epoch' + $6::bigint * interval '1 microsecond', $7)
          and i.created_at >= timestamptz 'epoch' + $8::bigint * interval '1 microsecond'
        order by i.created_at desc, i.id desc
        limit $9
    ) n
    order by n.created_at desc, n.id desc
    limit $9
), reached as (
    select id, moved from page order by moved desc limit 1
)
select c.*, r.moved
from reached r
join image_cards c on c.id = r.id

-- :gallery_filtered_newer
with page as materialized (
    select n.id, row_number() over (order by n.created_at, n.id) as moved
    from gallery_facets($1, nullif($2, ''), nullif($3, ''), nullif($4::boolean, false),
                        string_to_array(nullif($5, ''), ',')::uuid[]) f
    cross join lateral (
        select i.created_at, i.id
        from images i
        where i.facet_id = f.id
          and (i.created_at, i.id) > (timestamptz 'epoch' + $6::bigint * interval '1 microsecond', $7)
          and i.created_at < timestamptz 'epoch' + $8::bigint * interval '1 microsecond'
        order by i.created_at, i.id
        limit $9
    ) n
    order by n.created_at, n.id
    limit $9
), reached as (
    select id, moved from page order by moved desc limit 1
)
select c.*, r.moved
from reached r
join image_cards c on c.id = r.id

-- :gallery_total
select coalesce(sum(images), 0)::bigint as images
from gallery_facets($1, nullif($2, ''), nullif($3, ''), nullif($4::boolean, false),
                    string_to_array(nullif($5, ''), ',')::uuid[])

-- Of whole days the number is known; what is left at both ends of the time is read.
-- :gallery_above
with facets as materialized (
    select id
    from gallery_facets($1, nullif($2, ''), nullif($3, ''), nullif($4::boolean, false),
                        string_to_array(nullif($5, ''), ',')::uuid[])
), asked as (
    select timestamptz 'epoch' + $6::bigint * interval '1 microsecond' as begins_at,
           timestamptz 'epoch' + $8::bigint * interval '1 microsecond' as ends_at
), whole as (
    select a.*, least(a.ends_at, (date_trunc('day', a.begins_at at time zone 'UTC')
                                  + interval '1 day') at time zone 'UTC') as whole_from
    from asked a
), parts as (
    select w.*, greatest(w.whole_from, date_trunc('day', w.ends_at at time zone 'UTC')
                                       at time zone 'UTC') as whole_until
    from whole w
)
select coalesce(sum(days.images + first.images + last.images), 0)::bigint as images
from parts p
cross join facets f
cross join lateral (
    select coalesce(sum(d.images), 0) as images
    from image_days d
    where d.facet_id = f.id and d.day >= (p.whole_from at time zone 'UTC')::date
      and d.day < (p.whole_until at time zone 'UTC')::date
) days
cross join lateral (
    select count(*) as images
    from images i
    where i.facet_id = f.id and (i.created_at, i.id) > (p.begins_at, $7::uuid)
      and i.created_at < p.whole_from
) first
cross join lateral (
    select count(*) as images
    from images i
    where i.facet_id = f.id and i.created_at >= p.whole_until and i.created_at < p.ends_at
) last

-- From the newest on the days are counted to the one where that number is, and only that one is
-- walked along. The day in which the time ends is cut: what is left of it is read.
-- :gallery_number
with facets as materialized (
    select id
    from gallery_facets($1, nullif($2, ''), nullif($3, ''), nullif($4::boolean, false),
                        string_to_array(nullif($5, ''), ',')::uuid[])
), asked as (
    select timestamptz 'epoch' + $6::bigint * interval '1 microsecond' as begins_at,
           timestamptz 'epoch' + $7::bigint * interval '1 microsecond' as ends_at
), days as (
    select a.ends_at, sum(rest.images) as images
    from asked a
    cross join facets f
    cross join lateral (
        select count(*) as images
        from images i
        where i.facet_id = f.id and i.created_at < a.ends_at
          and i.created_at >= date_trunc('day', a.ends_at at time zone 'UTC') at time zone 'UTC'
    ) rest
    group by a.ends_at
    union all
    select (whole.day + 1)::timestamp at time zone 'UTC', sum(whole.images)
    from asked a
    cross join facets f
    cross join lateral (
        select d.day, d.images
        from image_days d
        where d.facet_id = f.id and d.day >= (a.begins_at at time zone 'UTC')::date
          and d.day < (a.ends_at at time zone 'UTC')::date
        offset 0 -- each facet by its own part of the index
    ) whole
    group by whole.day
), counted as (
    select ends_at, sum(images) over (order by ends_at desc) as below, images
    from days
), day as materialized (
    select ends_at, $8::bigint - (below - images) as number
    from counted
    where below >= $8::bigint
    order by ends_at desc
    limit 1
), reached as (
    select n.id
    from asked a
    cross join day
    cross join facets f
    cross join lateral (
        select i.created_at, i.id
        from images i
        where i.facet_id = f.id and i.created_at < day.ends_at and i.created_at >= a.begins_at
        order by i.created_at desc, i.id desc
        limit day.number
    ) n
    order by n.created_at desc, n.id desc
    offset (select number - 1 from day)
    limit 1
)
select c.*, $8::bigint as moved
from reached r
join image_cards c on c.id = r.id

-- Words are in no facet: they are looked for in an index of their own, or along the gallery, whichever
-- reads less.
-- :gallery_search_step
with page as materialized (
    select id, moved
    from gallery_walk($1, nullif($2, ''), nullif($3, ''), nullif($4::boolean, false),
                      string_to_array(nullif($5, ''), ',')::uuid[],
                      timestamptz 'epoch' + nullif($6::bigint, 0) * interval '1 microsecond',
                      timestamptz 'epoch' + nullif($7::bigint, 0) * interval '1 microsecond',
                      gallery_words($1, $8), timestamptz 'epoch' + $9::bigint * interval '1 microsecond',
                      $10, $11)
    order by moved desc
    limit 1
)
select c.*, p.moved
from page p
join image_cards c on c.id = p.id

-- :gallery_search_above
select gallery_above($1, nullif($2, ''), nullif($3, ''), nullif($4::boolean, false),
                     string_to_array(nullif($5, ''), ',')::uuid[],
                     timestamptz 'epoch' + nullif($6::bigint, 0) * interval '1 microsecond',
                     timestamptz 'epoch' + nullif($7::bigint, 0) * interval '1 microsecond',
                     gallery_words($1, $8), timestamptz 'epoch' + $9::bigint * interval '1 microsecond',
                     $10) as images

-- :gallery_can_search
select gallery_words($1, $2) is not null as can_search
