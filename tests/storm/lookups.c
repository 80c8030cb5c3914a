/*
 * Look-ups of this machine, by name and by number. Some hang, until one of the rivals lets one go:
 * these are cancelled, run out of their time, or are left behind by their loop's close. What is
 * left goes on, and must not write a byte any more.
 */
#include "storm.h"

#define HANGS 'L' /* "LOCALHOST" is the same host, and not as quick */
#define PORT  4711

static port_event gate, gone;
static _Atomic uint32_t hanging;

void storm_looking(const char *host)
{
    if (host[0] != HANGS)
        return;
    hanging++;
    storm_totals.hung++;
    if (storm_phase < OVER)
        port_event_wait(&gate, CEDE_FOREVER);
    hanging--;
    port_event_set(&gone);
}

void storm_lookups_make(void)
{
    port_event_init(&gate);
    port_event_init(&gone);
}

/* One of those that hang. */
void storm_lookups_stir(void)
{
    port_event_set(&gate);
}

/* None hangs any more. */
void storm_lookups_over(void)
{
    while (hanging) {
        port_event_set(&gate);
        port_event_wait(&gone, CEDE_MILLISECOND);
    }
}

static bool is_here(const cede_address *at)
{
    cede_address one = cede_address_loopback(CEDE_ADDRESS_IPV6, PORT);
    if (at->family == CEDE_ADDRESS_IPV4)
        return at->ip[0] == 127 && at->port == PORT;
    return cede_address_equal(at, &one);
}

static void on_found(record *rec, cede_result r)
{
    const cede_address *out = (const cede_address *)(const void *)rec->buffer;
    bool expected = r.status == CEDE_OK || r.status == CEDE_ECANCELED ||
                    r.status == CEDE_EDEADLINE || r.status == CEDE_EENDED;
    if (!expected || (r.status == CEDE_OK) != (r.count > 0))
        storm_fail("a look-up says %s and %llu", cede_status_name(r.status),
                   (unsigned long long)r.count);
    uint64_t written = r.count < rec->bytes ? r.count : rec->bytes;
    for (uint64_t i = 0; i < written; i++) {
        if (!is_here(&out[i]))
            storm_fail("a look-up of this machine finds another");
    }
    storm_untouched(rec, written * sizeof *out);
    storm_totals.lookups++;
    storm_rest(rec);
}

void storm_lookup(station *at)
{
    static const char *const hosts[] = {"localhost", "127.0.0.1", "localhost", "::1", "LOCALHOST"};
    record *rec = storm_take(at, false);
    if (!rec)
        return;
    uint32_t which = storm_random(&at->random, 5);
    uint32_t flags = which == 3 ? CEDE_LOOKUP_IPV6 : CEDE_LOOKUP_IPV4;
    rec->bytes = storm_random(&at->random, 4);
    cede_prep_lookup(&rec->as.req, hosts[which], PORT, flags, (cede_address *)(void *)rec->buffer,
                     (uint32_t)rec->bytes);
    storm_perhaps_within(rec);
    storm_submit(rec, on_found);
    if (storm_random(&at->random, 4) == 0)
        cede_cancel(rec->ticket); /* before it has begun */
}
