-- What a person's own rows add up to. The owner comes first in each.

-- :profile_figures
select (extract(epoch from u.created_at) * 1000)::bigint as created_at_ms, l.balance, l.held,
       (select count(*) from avatars a where a.user_id = u.id) as avatars,
       (select count(*) from avatars a where a.user_id = u.id and a.status = 'completed')
           as ready_avatars,
       (select count(*) from images i where i.user_id = u.id) as images
from users u
cross join ledger_balance(u.id) as l
where u.id = $1
