#!/bin/sh
# bench.sh - what a tap on a menu costs, beside two floors, and a photo and a page of the gallery beside a tap.
#
#     bench.sh [--rounds N] [--seconds N] [--only gallery] [--dry]
#
# Brings the release build up in build/bench and sends taps through its nginx
# to the bot and to two floors on sockets of their own. Each round visits all
# three, so that what else the machine does meanwhile falls on all of them.
# Prints a table of medians and, unless --dry, adds it to docs/bench.md.
# The last lines say which targets were met; a missed one is a failure.
# With --only gallery nothing but the pages is measured, and nothing is kept.
#
# The workers are down while the tap is measured, and what they would have sent
# is removed between the measurements. What they cost is measured last, with
# everything up. So the photos of an upload are received and not yet looked at,
# which is all that the bot itself does with them.

set -eu

cd "$(dirname "$0")/../.."
ROOT=$PWD
MODE=${MODE:-release}
DIR=$ROOT/build/bench
TOOLS=$ROOT/build/$MODE/tests/bench
RESULTS=$DIR/results
USERS=4000
PHOTO_RATE=200 # a second, photos and taps alike; PostgreSQL has to keep up
WHOLE_RATE=200 # taps a second while the workers answer each
CONNECTIONS=40 # as many as Telegram opens when nobody asks for more
READERS=10     # galleries that share the images, and whose pages are turned side by side
PAGE_RATE=500  # pages a second, and the taps beside them
IMAGES='1000 200000 1000000'
ROUNDS=5 SECONDS_EACH=6 DRY='' ONLY=''

while [ $# -gt 0 ]; do
    case $1 in
    --rounds) ROUNDS=$2 && shift ;;
    --seconds) SECONDS_EACH=$2 && shift ;;
    --only)
        [ "$2" = gallery ] || { echo "bench.sh: there is only a gallery, no $2" >&2 && exit 2; }
        ONLY=$2 DRY=yes && shift
        ;;
    --dry) DRY=yes ;;
    *) echo "bench.sh: unknown option $1" >&2 && exit 2 ;;
    esac
    shift
done

say() { printf '%s\n' "$*"; }

# -- the ground ---------------------------------------------------------------

# shellcheck disable=SC2317 # reached through the trap
stop_floors()
{
    for name in floor_a floor_b; do
        [ -f "$DIR/pid/$name" ] || continue
        kill -TERM "$(cat "$DIR/pid/$name")" 2>/dev/null || true
        rm -f "$DIR/pid/$name"
    done
}

# shellcheck disable=SC2317 # reached through the trap
take_down()
{
    stop_floors
    fcgi/run.sh stop "$DIR"
}

# The same number of processes as the bot has, behind a socket of the same kind.
start_floor() # name
{
    spawn-fcgi -n -s "$SOCKETS/$1.sock" -M 0660 -b 4096 -- "$(command -v multiwatch)" -s TERM \
        -f "$BOT_PROCESSES" -- "$TOOLS/$1" >"$DIR/log/$1.log" 2>&1 &
    echo $! >"$DIR/pid/$1"
}

# Locations beside the bot's own, which differ from it in where they lead alone.
# Floor (a) serves one request at a time, so its connections cannot be kept.
write_locations()
{
    for name in floor_a floor_b; do
        sed -e "s|aisha_bot|$name|" "$DIR/nginx/fastcgi.conf" >"$DIR/nginx/$name.conf"
    done
    sed -i 's|fastcgi_keep_conn on|fastcgi_keep_conn off|' "$DIR/nginx/floor_a.conf"
    cat >"$DIR/nginx/floor_upstreams.conf" <<UPSTREAMS
upstream floor_a { server unix:$SOCKETS/floor_a.sock max_fails=0; }
upstream floor_b { server unix:$SOCKETS/floor_b.sock max_fails=0; keepalive 64; keepalive_requests 100000; }
UPSTREAMS
    for name in floor_a floor_b; do
        printf 'location = /%s { client_max_body_size 1m; client_body_buffer_size 64k; include "%s"; }\n' \
            "$name" "$DIR/nginx/$name.conf"
    done >"$DIR/nginx/floor_locations.conf"
    sed -i -e "s|^    include \"$DIR/nginx/http.conf\";|&\n    include \"$DIR/nginx/floor_upstreams.conf\";|" \
        -e "s|^        include \"$DIR/nginx/aisha.conf\";|        include \"$DIR/nginx/floor_locations.conf\";\n&|" \
        "$DIR/nginx/nginx.conf"
    nginx -t -q -c "$DIR/nginx/nginx.conf" -e "$DIR/log/nginx.log"
    kill -HUP "$(pid_of nginx)"
}

pid_of() { cut -d' ' -f1 "$DIR/pid/$1"; }

bring_up()
{
    fcgi/run.sh start "$DIR" --mode "$MODE" --sandbox --fresh --only 'postgres redis nginx bot'
    # shellcheck disable=SC1091 # made by run.sh
    . "$DIR/env"
    for name in floor_a floor_b; do start_floor "$name"; done
    write_locations
    : >"$RESULTS"
    sleep 1 # until nginx has its new workers
}

# -- measuring ----------------------------------------------------------------

next_update=1

load() # path options...
{
    path=$1
    shift
    "$TOOLS/load" --port "$HTTPS_PORT" --ca "$DIR/tls/cert.pem" --path "$path" --users "$USERS" \
        --secret "$TELEGRAM_WEBHOOK_SECRET" --connections "$CONNECTIONS" --first-update "$next_update" "$@"
    next_update=$((next_update + 1000000))
}

path_of()
{
    case $1 in
    bot) echo /webhook/telegram ;;
    *) echo "/$1" ;;
    esac
}

# What the taps so far have left behind, but not who the users are.
clear_redis()
{
    redis-cli -s "$SOCKETS/redis.sock" --raw eval "
        for _, pattern in ipairs({'done:*', 'last:*', 'flood:*', 'ans:*', 'out:*'}) do
            for _, key in ipairs(redis.call('KEYS', pattern)) do redis.call('UNLINK', key) end
        end" 0 >/dev/null
}

tree() # pid: it and all that descend from it
{
    echo "$1"
    for child in $(pgrep -P "$1" || true); do tree "$child"; done
}

pids_of() # group
{
    case $1 in
    nginx | redis | postgres) tree "$(pid_of "$1")" ;;
    worker) for name in worker-1 worker-2; do [ ! -f "$DIR/pid/$name" ] || tree "$(pid_of $name)"; done ;;
    floor_a | floor_b) pgrep -P "$(pid_of "$1")" ;;
    bot) pgrep -P "$(pid_of bot)" ;;
    *) tree "$(pid_of "$1")" ;;
    esac
}

# Nanoseconds on a processor so far, of all threads of all processes of a group.
cpu_of() # group
{
    for pid in $(pids_of "$1"); do cat /proc/"$pid"/task/*/schedstat 2>/dev/null || true; done |
        awk '{ sum += $1 } END { printf "%.0f\n", sum }'
}

# The largest of the processes, in KiB.
pss_of() # group
{
    for pid in $(pids_of "$1"); do
        awk '/^Pss:/ { print $2 }' "/proc/$pid/smaps_rollup" 2>/dev/null || true
    done | sort -n | tail -n 1
}

value() { printf '%s\n' "$1" | tr ' ' '\n' | sed -n "s/^$2=//p"; } # line name

note() { echo "$*" >>"$RESULTS"; } # target measure number

# A tap is answered with a call; a photo with nothing, since what is said of it comes later.
went_well() # phase line
{
    [ "$(value "$2" failed)$(value "$2" lost)" = 00 ] || return 1
    case $1 in
    photo*) [ "$(value "$2" empty)" = "$(value "$2" answered)" ] ;;
    *) [ "$(value "$2" empty)" = 0 ] ;;
    esac
}

# One measurement: CPU of every group while the load runs, and memory in its middle.
measure() # target phase options...
{
    target=$1 phase=$2
    shift 2
    groups="$target nginx redis postgres"
    for group in $groups; do cpu_of "$group" >"$DIR/cpu_$group"; done
    load "$(path_of "$target")" "$@" >"$DIR/load.txt" 2>&1 &
    loader=$!
    sleep "$((SECONDS_EACH - 1))"
    pss=$(pss_of "$target")
    wait "$loader" || { cat "$DIR/load.txt" >&2 && return 1; }
    next_update=$((next_update + 1000000))
    line=$(cat "$DIR/load.txt")
    answered=$(value "$line" answered)
    went_well "$phase" "$line" || { echo "bench.sh: $target, $phase: $line" >&2 && return 1; }
    for group in $groups; do
        spent=$(($(cpu_of "$group") - $(cat "$DIR/cpu_$group")))
        label=$group
        [ "$group" != "$target" ] || label=own
        note "$target ${phase}_cpu_$label $(awk "BEGIN { print $spent / 1e9 * 10000 / $answered }")"
    done
    note "$target ${phase}_per_second $(value "$line" per_second)"
    note "$target ${phase}_p50_ms $(value "$line" p50_ms)"
    note "$target ${phase}_p99_ms $(value "$line" p99_ms)"
    note "$target ${phase}_bytes $(value "$line" bytes)"
    [ -z "$pss" ] || note "$target ${phase}_pss_kib $pss"
    clear_redis
}

sql() { psql -XAtq -v ON_ERROR_STOP=1 -h "$PGHOST" -U postgres -d aisha; }

# Every user has a draft without photos, and the dialog where it takes them.
open_uploads()
{
    sql <<'SQL'
delete from avatars;
delete from jobs;
insert into avatars (id, user_id, name, training_type) select gen_random_uuid(), id, 'Style', 'style' from users;
SQL
    echo 'select telegram_id, a.id from users u join avatars a on a.user_id = u.id' | sql |
        awk -F'|' '{ printf "HSET session:{b%02d}:%d s avatar_photos d.avatar %s d.slot photos:1\n", $1 % 64, $1, $2 }' |
        redis-cli -s "$SOCKETS/redis.sock" --raw >/dev/null
}

close_uploads()
{
    redis-cli -s "$SOCKETS/redis.sock" --raw eval "
        for _, key in ipairs(redis.call('KEYS', 'session:*')) do
            redis.call('HSET', key, 's', 'idle') redis.call('HDEL', key, 'd.avatar', 'd.slot')
        end" 0 >/dev/null
    taken=$(echo 'select count(*) from avatar_photos' | sql)
    [ "$taken" = "$1" ] || { echo "bench.sh: of $1 photos there are $taken" >&2 && return 1; }
    echo 'delete from avatars; delete from jobs;' | sql
}

# Photos of albums into open uploads.
measure_photos() # phase options...
{
    open_uploads
    measure bot "$@" --seconds "$SECONDS_EACH" --photos
    close_uploads "$answered"
}

# Images of the first users, four to an order, until there are so many. What the triggers do for one
# image after another is done for all at once.
fill_galleries() # images
{
    say "making $1 images"
    sql <<SQL
set session_replication_role = replica;
create temp table fresh as
select n, u.id as user_id, md5('image ' || n)::uuid as id, n / 10 % 4 as position,
       md5('order ' || n / 40 || ' ' || n % 10)::uuid as generation_id, n % 30 = 0 as is_favorite,
       case when n / 40 % 4 = 0 then 'avatar' else 'imagen4' end as generation_type,
       (array['1:1', '3:4', '4:3', '9:16', '16:9'])[n / 40 % 5 + 1] as aspect_ratio,
       timestamptz '2026-01-01' + n * interval '20 seconds' as created_at
from generate_series((select count(*) from images), $1 - 1) as n
join users u on u.telegram_id = 500000000 + n % $READERS;
insert into image_generations (id, user_id, generation_type, source_model, original_prompt, aspect_ratio,
                               num_images, price, status, created_at, completed_at, generation_seconds)
select generation_id, user_id, generation_type, 'fal-ai/imagen4/preview', 'портрет у окна ' || n,
       aspect_ratio, 4, 20, 'completed', created_at, created_at, 8
from fresh
where position = 0;
insert into image_facets (user_id, generation_type, aspect_ratio, is_favorite)
select distinct user_id, generation_type, aspect_ratio, is_favorite from fresh
except
select user_id, generation_type, aspect_ratio, is_favorite from image_facets;
insert into images (id, generation_id, user_id, position, bucket, object_key, content_type, size_bytes,
                    width, height, telegram_file_id, is_favorite, created_at, generation_type,
                    aspect_ratio, words, facet_id)
select i.id, i.generation_id, i.user_id, i.position, 'images',
       'generated/' || i.generation_id || '/' || i.position || '.png', 'image/png', 1048576, 1024, 1024,
       'AgACAgIAAxkDAAIBZ2' || i.id || 'AAgADNgQ', i.is_favorite, i.created_at, i.generation_type,
       i.aspect_ratio, array_to_tsvector(array[i.user_id || ':портрет', i.user_id || ':окн']), f.id
from fresh i
join image_facets f using (user_id, generation_type, aspect_ratio, is_favorite);
insert into image_days as d (facet_id, day, images)
select facet_id, (created_at at time zone 'UTC')::date, count(*)
from images
where id in (select id from fresh)
group by 1, 2
on conflict (facet_id, day) do update set images = d.images + excluded.images;
update image_facets f
set images = (select sum(d.images) from image_days d where d.facet_id = f.id);
vacuum analyze images;
vacuum analyze image_generations;
analyze image_facets;
analyze image_days;
SQL
}

# The same round of taps is what pages are compared with.
measure_pages() # images
{
    measure bot "tap_$1" --seconds "$SECONDS_EACH" --rate "$PAGE_RATE"
    measure bot "page_$1" --seconds "$SECONDS_EACH" --rate "$PAGE_RATE" --gallery \
        --users "$READERS" --connections "$READERS"
}

measure_galleries()
{
    for images in $IMAGES; do
        fill_galleries "$images"
        number=1
        while [ "$number" -le "$ROUNDS" ]; do
            say "round $number of $ROUNDS, $images images"
            measure_pages "$images"
            number=$((number + 1))
        done
    done
}

round()
{
    for target in bot floor_b floor_a; do measure "$target" full --seconds "$SECONDS_EACH"; done
    for target in bot floor_b floor_a; do measure "$target" r500 --seconds "$SECONDS_EACH" --rate 500; done
    for target in bot floor_b floor_a; do measure "$target" r2000 --seconds "$SECONDS_EACH" --rate 2000; done
    measure bot tap_paced --seconds "$SECONDS_EACH" --rate "$PHOTO_RATE"
    measure_photos photo_paced --rate "$PHOTO_RATE"
    measure_photos photo_full
}

# Each user is made by a first tap and cached by a second one.
warm_up()
{
    say "making $USERS users"
    load /webhook/telegram --count $((2 * USERS))
    for target in bot floor_b floor_a; do
        load "$(path_of "$target")" --count "$USERS"
    done
    clear_redis
}

measure_start()
{
    DATABASE_URL=$(printf '%s' "$DATABASE_URL" | sed 's/aisha_owner/aisha_bot/') READY_DIR='' \
        "$TOOLS/start" "$ROOT/build/$MODE/bin/aisha-bot" "$ROUNDS" 2>/dev/null |
        while read -r ms; do note "bot start_ms $ms"; done
}

# Redis may still be reading what it had written, and answers nobody until then.
await_ready()
{
    tries=300
    until curl -fsS -o /dev/null --cacert "$DIR/tls/cert.pem" "$LOOPBACK_URL/ready" 2>/dev/null; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || { echo 'bench.sh: the bot does not get ready' >&2 && return 1; }
        sleep 0.1
    done
}

waiting_answers()
{
    redis-cli -s "$SOCKETS/redis.sock" --raw eval "
        local sum = 0
        for _, key in ipairs(redis.call('KEYS', 'ans:*')) do sum = sum + redis.call('XLEN', key) end
        return sum" 0
}

# The same taps with everything up: each is answered by a worker, and the
# sandbox takes the answers. Until the last one is out.
measure_whole()
{
    take_down
    fcgi/run.sh start "$DIR" --mode "$MODE" --sandbox
    # shellcheck disable=SC1091 # made by run.sh
    . "$DIR/env"
    await_ready
    load /webhook/telegram --count "$USERS"
    groups='bot nginx worker redis postgres sandbox'
    tries=600
    while [ "$(waiting_answers)" != 0 ] && [ "$tries" -gt 0 ]; do sleep 0.1 && tries=$((tries - 1)); done
    for group in $groups; do cpu_of "$group" >"$DIR/cpu_$group"; done
    line=$(load /webhook/telegram --seconds "$SECONDS_EACH" --rate "$WHOLE_RATE")
    while [ "$(waiting_answers)" != 0 ] && [ "$tries" -gt 0 ]; do sleep 0.1 && tries=$((tries - 1)); done
    [ "$tries" -gt 0 ] || { echo 'bench.sh: the workers do not get their answers out' >&2 && return 1; }
    answered=$(value "$line" answered)
    for group in $groups; do
        spent=$(($(cpu_of "$group") - $(cat "$DIR/cpu_$group")))
        note "whole $group $(awk "BEGIN { print $spent / 1e9 * 10000 / $answered }")"
    done
    note "whole worker_pss_kib $(pss_of worker)"
    note "whole p99_ms $(value "$line" p99_ms)"
}

# -- the outcome --------------------------------------------------------------

figures() # target measure
{
    awk -v t="$1" -v m="$2" '$1 == t && $2 == m { print $3 }' "$RESULTS" | sort -g
}

# One measure in another, each round by itself; of next to nothing there is no share.
shares() # target measure, of target measure
{
    awk -v t="$1" -v m="$2" -v of="$3" -v of_m="$4" '
        $1 == t && $2 == m { part[++parts] = $3 }
        $1 == of && $2 == of_m { whole[++wholes] = $3 }
        END { for (i = 1; i <= wholes && i <= parts; i++) if (whole[i] > 0.05) print part[i] / whole[i] }' "$RESULTS" |
        sort -g
}

# What the bot took of what floor (b) took.
ratios() { shares bot "$1" floor_b "$1"; } # measure

middle() { awk '{ v[NR] = $1 } END { if (NR) print v[int((NR + 1) / 2)] }'; }

# Median, minimum and maximum of what is read, which is sorted; nothing of nothing.
spread() # format
{
    awk -v f="$1" '{ v[NR] = $1 } END { if (NR) printf f " (" f "–" f ")", v[int((NR + 1) / 2)], v[1], v[NR] }'
}

median() { figures "$1" "$2" | middle; } # target measure

row() # label measure format
{
    printf '| %s | %s | %s | %s | %s |\n' "$1" "$(figures bot "$2" | spread "$3")" \
        "$(figures floor_b "$2" | spread "$3")" "$(figures floor_a "$2" | spread "$3")" \
        "$(ratios "$2" | spread %.2f)"
}

print_table()
{
    say '| | bot | floor (b) | floor (a) | bot ÷ floor (b) |'
    say '|---|---|---|---|---|'
    row 'taps a second at saturation' full_per_second %.0f
    row 'p50 at 500/s, ms' r500_p50_ms %.2f
    row 'p99 at 500/s, ms' r500_p99_ms %.2f
    row 'p50 at 2 000/s, ms' r2000_p50_ms %.2f
    row 'p99 at 2 000/s, ms' r2000_p99_ms %.2f
    for phase in full r2000 r500; do
        case $phase in
        full) at='at saturation' ;;
        r2000) at='at 2 000/s' ;;
        r500) at='at 500/s' ;;
        esac
        row "CPU s per 10 000 $at: itself" "${phase}_cpu_own" %.3f
        row "— nginx" "${phase}_cpu_nginx" %.3f
        row "— Redis" "${phase}_cpu_redis" %.3f
        row "— PostgreSQL" "${phase}_cpu_postgres" %.3f
    done
    row 'PSS of a process under load, KiB' full_pss_kib %.0f
    row 'bytes of an answer' full_bytes %.0f
    row 'exec to first 200, ms' start_ms %.1f
}

photo_row() # label measure of the tap, of the photo, format
{
    printf '| %s | %s | %s | %s |\n' "$1" "$(figures bot "$2" | spread "$4")" \
        "$(figures bot "$3" | spread "$4")" "$(shares bot "$3" bot "$2" | spread %.2f)"
}

print_photos()
{
    say '| | menu tap | photo of an album | photo ÷ tap |'
    say '|---|---|---|---|'
    photo_row "CPU s per 10 000 at $PHOTO_RATE/s: the bot" tap_paced_cpu_own photo_paced_cpu_own %.3f
    photo_row '— nginx' tap_paced_cpu_nginx photo_paced_cpu_nginx %.3f
    photo_row '— Redis' tap_paced_cpu_redis photo_paced_cpu_redis %.3f
    photo_row '— PostgreSQL' tap_paced_cpu_postgres photo_paced_cpu_postgres %.3f
    photo_row "p50 at $PHOTO_RATE/s, ms" tap_paced_p50_ms photo_paced_p50_ms %.2f
    photo_row "p99 at $PHOTO_RATE/s, ms" tap_paced_p99_ms photo_paced_p99_ms %.2f
    photo_row 'a second at saturation' full_per_second photo_full_per_second %.0f
}

page_row() # label measure format
{
    printf '| %s | %s |' "$1" "$(figures bot "tap_200000_$2" | spread "$3")"
    for images in $IMAGES; do printf ' %s |' "$(figures bot "page_${images}_$2" | spread "$3")"; done
    printf ' %s |\n' "$(shares bot "page_200000_$2" bot "tap_200000_$2" | spread %.2f)"
}

print_galleries()
{
    say "A page of a gallery, $READERS users turning theirs by one and by ten; images of all of them:"
    say
    say '| | menu tap | page of 1 000 | of 200 000 | of 1 000 000 | 200 000 ÷ tap |'
    say '|---|---|---|---|---|---|'
    page_row "CPU s per 10 000 at $PAGE_RATE/s: the bot" cpu_own %.3f
    page_row '— nginx' cpu_nginx %.3f
    page_row '— Redis' cpu_redis %.3f
    page_row '— PostgreSQL' cpu_postgres %.3f
    page_row "p50 at $PAGE_RATE/s, ms" p50_ms %.2f
    page_row "p99 at $PAGE_RATE/s, ms" p99_ms %.2f
    page_row 'bytes of an answer' bytes %.0f
}

print_whole()
{
    printf 'Everything up, %s taps a second, each answered by a worker; CPU s per 10 000:' "$WHOLE_RATE"
    for group in bot nginx worker redis postgres sandbox; do
        printf ' %s %.2f,' "$group" "$(median whole "$group")"
    done
    printf ' p99 %.2f ms. PSS of a worker: %d KiB.\n' "$(median whole p99_ms)" "$(median whole worker_pss_kib)"
}

# "1.30 at most" means that 1.30 is met.
verdict() # what number limit unit
{
    awk -v what="$1" -v n="$2" -v limit="$3" -v unit="$4" 'BEGIN {
        met = n != "" && n <= limit
        printf "- %s: %.2f%s, at most %s%s: %s\n", what, n, unit, limit, unit, met ? "ok" : "missed"
        exit !met
    }'
}

# How much a figure grows from the smallest number of images to another.
growth() # measure images
{
    awk "BEGIN { of = $(median bot "page_1000_$1"); if (of > 0) print $(median bot "page_$2_$1") / of }"
}

page_verdicts()
{
    pages_met=0
    verdict "CPU of the bot for a page of a gallery, 200 000 images, at $PAGE_RATE/s, in that of a tap" \
        "$(shares bot page_200000_cpu_own bot tap_200000_cpu_own | middle)" 2 '' || pages_met=1
    verdict "p99 of a page at $PAGE_RATE/s, 200 000 images" "$(median bot page_200000_p99_ms)" 8 ' ms' || pages_met=1
    for images in 200000 1000000; do
        for what in 'CPU of the bot:cpu_own:1.2' 'CPU of PostgreSQL:cpu_postgres:1.5' 'p99:p99_ms:1.5'; do
            measure=${what#*:}
            verdict "${what%%:*} for a page, $images images, in that of 1000" \
                "$(growth "${measure%%:*}" "$images")" "${measure#*:}" '' || pages_met=1
        done
    done
    return "$pages_met"
}

print_verdicts()
{
    met=0
    verdict 'CPU of the bot for a tap at saturation, in that of floor (b)' \
        "$(ratios full_cpu_own | middle)" 1.3 '' || met=1
    verdict "CPU of the bot for a photo of an album at $PHOTO_RATE/s, in that of a tap" \
        "$(shares bot photo_paced_cpu_own bot tap_paced_cpu_own | middle)" 1.5 '' || met=1
    verdict 'PSS of a process of the bot under load' \
        "$(awk "BEGIN { print $(median bot full_pss_kib) / 1024 }")" 4 ' MiB' || met=1
    verdict 'exec to first 200' "$(median bot start_ms)" 50 ' ms' || met=1
    verdict 'p99 at 500/s' "$(median bot r500_p99_ms)" 5 ' ms' || met=1
    page_verdicts || met=1
    return "$met"
}

machine()
{
    printf '%s, %s processors, %s, Linux %s\n' \
        "$(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -n 1)" "$(nproc)" \
        "$(. /etc/os-release && echo "$PRETTY_NAME")" "$(uname -r)"
}

report_galleries()
{
    say
    print_galleries
    say
    page_verdicts
}

report()
{
    say
    say "### $(date -u +%Y-%m-%d), $(git describe --always --dirty --tags 2>/dev/null || echo unversioned)"
    say
    say "$(machine). $ROUNDS rounds of $SECONDS_EACH s, $BOT_PROCESSES processes, $CONNECTIONS connections, $USERS users." \
        "Other work on the machine when it began: a load of $BUSY."
    say
    print_table
    say
    print_photos
    say
    print_galleries
    say
    print_whole
    say
    print_verdicts
}

# docs/bench.md shows the source of what it compares with.
same_floor()
{
    # shellcheck disable=SC2016 # the marks of a block of code
    sed -n '/^```c$/,/^```$/p' docs/bench.md | sed '1d;$d' | cmp -s - tests/bench/floor_b.c ||
        { echo 'bench.sh: docs/bench.md shows another floor_b.c than tests/bench/floor_b.c' >&2 && exit 1; }
    [ "$(wc -l <tests/bench/floor_b.c)" -le 120 ] || { echo 'bench.sh: floor_b.c has grown' >&2 && exit 1; }
}

BUSY=$(cut -d' ' -f1 /proc/loadavg)
same_floor
trap take_down EXIT
trap 'exit 1' INT TERM HUP
bring_up
warm_up
status=0
if [ "$ONLY" = gallery ]; then
    measure_galleries
    report_galleries || status=$?
    exit "$status"
fi
number=1
while [ "$number" -le "$ROUNDS" ]; do
    say "round $number of $ROUNDS"
    round
    number=$((number + 1))
done
measure_galleries
measure_start
measure_whole
report >"$DIR/report.md" || status=$?
cat "$DIR/report.md"
[ -n "$DRY" ] || cat "$DIR/report.md" >>docs/bench.md
exit "$status"
