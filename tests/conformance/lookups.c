/*
 * Names of hosts (laws 1, 4, 6, 7, 11, 13, 15, 16).
 *
 * No network is asked for but by one case: numbers are told by nobody, "localhost" by the system's
 * own files.
 */
#include "ends.h"

#include <string.h>

#define PORT 4711u

/* Prepared and submitted; the name is gone when done has come. */
static cft_rec *lookup(cft *t, const char *host, uint32_t flags, uint32_t room)
{
    cft_rec *rec = cft_new(t);
    void *out = cft_buffer(rec, (room + 1) * sizeof(cede_address));
    cede_prep_lookup(rec->req, cft_input(rec, host, strlen(host) + 1), PORT, flags, out, room);
    cft_submit(rec);
    return rec;
}

static cede_address address(const cft_rec *rec, uint64_t index)
{
    cede_address out;
    memcpy(&out, rec->bytes + index * sizeof out, sizeof out);
    return out;
}

/* Behind what was written nothing was. */
static void expect_untouched(cft *t, const cft_rec *rec, uint64_t from)
{
    for (uint64_t i = from * sizeof(cede_address); i < rec->buffer_bytes; i++)
        CFT_EXPECT(t, rec->bytes[i] == 0xee);
}

static void expect_number(cft *t, const char *text, uint32_t flags, uint16_t family)
{
    cede_address parsed;
    cft_rec *rec = lookup(t, text, flags, 4);
    cft_await(t, rec);
    CFT_OK(t, rec);
    CFT_EXPECT(t, rec->result.count == 1);
    expect_untouched(t, rec, 1);
    if (cft_faulted(t))
        return;
    cede_address got = address(rec, 0);
    CFT_CHECK(t, got.family == family && got.port == PORT);
    CFT_CHECK(t, cede_address_parse(text, 0, &parsed) == CEDE_OK);
    CFT_CHECK(t, memcmp(got.ip, parsed.ip, family == CEDE_ADDRESS_IPV4 ? 4 : 16) == 0);
}

CFT_CASE(lookup_understands_numbers)
{
    cft_needs(t, CEDE_OP_LOOKUP);
    expect_number(t, "127.0.0.1", 0, CEDE_ADDRESS_IPV4);
    expect_number(t, "192.0.2.77", CEDE_LOOKUP_IPV4, CEDE_ADDRESS_IPV4);
    expect_number(t, "::1", CEDE_LOOKUP_ANY, CEDE_ADDRESS_IPV6);
    expect_number(t, "2001:db8::7", CEDE_LOOKUP_IPV6, CEDE_ADDRESS_IPV6);
    static const char *const others[] = {"127.0.0.1", "::1"};
    for (uint32_t i = 0; i < 2; i++) {
        cft_rec *rec = lookup(t, others[i], i ? CEDE_LOOKUP_IPV4 : CEDE_LOOKUP_IPV6, 4);
        cft_await(t, rec);
        CFT_STATUS(t, rec, CEDE_ENONAME);
        CFT_EXPECT(t, rec->result.count == 0);
        expect_untouched(t, rec, 0);
    }
}

/* No system is asked, each of which reads some of them. Were one, it would not answer here. */
CFT_CASE(lookup_reads_numbers_the_same_everywhere)
{
    static const char *const none[] = {
        "127.1",      "0x7f.1",       "0X7F.0.0.1", "2130706433",   "0x7f000001", "017700000001",
        "0177.0.0.1", "127.0.0.01",   "256.1.1.1",  "1.2.3.4.5",    "127.0.0.1.", "127.0.0.1:80",
        "[::1]",      "[::1]:80",     "1::2::3",    "fe80::1%lo",   "::1%",       "::ffff:127.1",
        "0x",         "unix:/tmp/it", "::1%x",      "[127.0.0.1]:1"};
    cft_needs(t, CEDE_OP_LOOKUP);
    cft_hold_lookups(t);
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        cft_rec *rec = lookup(t, none[i], 0, 2);
        cft_await(t, rec);
        if (rec->result.status != CEDE_ENONAME)
            cft_note(t, "'%s'", none[i]);
        CFT_STATUS(t, rec, CEDE_ENONAME);
        CFT_EXPECT(t, rec->result.count == 0);
        expect_untouched(t, rec, 0);
    }
    expect_number(t, "127.0.0.1", CEDE_LOOKUP_ANY, CEDE_ADDRESS_IPV4);
    expect_number(t, "::ffff:127.0.0.1", 0, CEDE_ADDRESS_IPV6);
    cft_rec *zone = lookup(t, "fe80::1%7", 0, 1);
    cft_await(t, zone);
    CFT_OK(t, zone);
    CFT_EXPECT(t, address(zone, 0).scope_id == 7 && address(zone, 0).port == PORT);
    cft_release_lookups(t);
}

static bool is_loopback(const cede_address *at)
{
    cede_address one = cede_address_loopback(CEDE_ADDRESS_IPV6, 0);
    if (at->family == CEDE_ADDRESS_IPV4)
        return at->ip[0] == 127;
    return at->family == CEDE_ADDRESS_IPV6 && memcmp(at->ip, one.ip, 16) == 0;
}

CFT_CASE(lookup_finds_this_machine)
{
    static const uint32_t flags[] = {0, CEDE_LOOKUP_ANY, CEDE_LOOKUP_IPV4};
    cft_needs(t, CEDE_OP_LOOKUP);
    for (uint32_t i = 0; i < 3; i++) {
        cft_rec *rec = lookup(t, "localhost", flags[i], 8);
        cft_await(t, rec);
        CFT_OK(t, rec);
        uint64_t there = rec->result.count < 8 ? rec->result.count : 8;
        CFT_EXPECT(t, there > 0);
        for (uint64_t k = 0; k < there && !cft_faulted(t); k++) {
            cede_address at = address(rec, k);
            CFT_CHECK(t, is_loopback(&at) && at.port == PORT);
            CFT_CHECK(t, flags[i] != CEDE_LOOKUP_IPV4 || at.family == CEDE_ADDRESS_IPV4);
        }
        expect_untouched(t, rec, there);
    }
}

CFT_CASE(lookup_writes_no_more_than_there_is_room)
{
    static const char *const hosts[] = {"localhost", "127.0.0.1"};
    cft_needs(t, CEDE_OP_LOOKUP);
    for (uint32_t i = 0; i < 4; i++) {
        uint32_t room = i % 2;
        cft_rec *rec = lookup(t, hosts[i / 2], CEDE_LOOKUP_IPV4, room);
        cft_await(t, rec);
        CFT_OK(t, rec);
        CFT_EXPECT(t, rec->result.count >= 1);
        expect_untouched(t, rec, room);
    }
}

/* RFC 2606: this one never is. Without a network the system cannot know (CEDE_EAGAIN). */
CFT_CASE(lookup_of_a_name_that_is_not_there_says_so)
{
    cft_needs(t, CEDE_OP_LOOKUP);
    cft_rec *rec = lookup(t, "cede-has-no-such-host.invalid", 0, 4);
    cft_await(t, rec);
    CFT_EXPECT(t, rec->result.status == CEDE_ENONAME || rec->result.status == CEDE_EAGAIN);
    CFT_EXPECT(t, rec->result.count == 0);
    expect_untouched(t, rec, 0);
}

static void expect_invalid(cft *t, const char *host, uint32_t flags, cede_address *out,
                           uint32_t room)
{
    cft_rec *rec = cft_new(t);
    cede_prep_lookup(rec->req, host, PORT, flags, out, room);
    cft_do(rec);
    CFT_STATUS(t, rec, CEDE_EINVAL);
}

CFT_CASE(lookup_refuses_what_is_no_name)
{
    char longest[256];
    cede_address *out = cft_alloc(t, 2 * sizeof *out);
    cft_needs(t, CEDE_OP_LOOKUP);
    memset(longest, 'a', sizeof longest);
    longest[254] = '\0';
    expect_invalid(t, NULL, 0, out, 2);
    expect_invalid(t, "", 0, out, 2);
    expect_invalid(t, longest, 0, out, 2);
    expect_invalid(t, "localhost", 4, out, 2);
    expect_invalid(t, "localhost", 0, NULL, 2);
    expect_invalid(t, "localhost", 0, out, UINT32_MAX);
}

/* ---- Look-ups that hang --------------------------------------------------------------------- */

/* Law 7's table: at once. The recorder has destroyed name and room by the time that the system
 * answers. */
CFT_CASE(lookup_that_hangs_is_cancelled_at_once)
{
    cft_needs(t, CEDE_OP_LOOKUP);
    cft_hold_lookups(t);
    cft_rec *rec = lookup(t, "localhost", 0, 8);
    cft_until_lookup_hangs(t, rec);
    CFT_EXPECT(t, !cft_is_done(rec));
    cft_cancel(t, rec->ticket);
    cft_cancel(t, rec->ticket);
    cft_await(t, rec);
    CFT_ENDED(t, rec, CEDE_ECANCELED, CEDE_BY_WISH);
    expect_untouched(t, rec, 0);
    cft_release_lookups(t);
    for (uint32_t i = 0; i < 4; i++) { /* meanwhile the system answers */
        cft_rec *next = lookup(t, "localhost", 0, 8);
        cft_await(t, next);
        CFT_OK(t, next);
    }
}

CFT_CASE(lookup_that_hangs_ends_at_its_deadline)
{
    cft_needs(t, CEDE_OP_LOOKUP);
    cft_hold_lookups(t);
    uint64_t start = cede_now(cft_loop(t));
    cft_rec *rec = cft_new(t);
    void *out = cft_buffer(rec, sizeof(cede_address));
    cede_prep_lookup(rec->req, cft_input(rec, "localhost", 10), PORT, 0, out, 1);
    cede_within(rec->req, 3 * CEDE_MILLISECOND);
    cft_submit(rec);
    cft_await(t, rec);
    CFT_ENDED(t, rec, CEDE_EDEADLINE, CEDE_BY_DEADLINE);
    CFT_EXPECT(t, cede_now(cft_loop(t)) - start >= 3 * CEDE_MILLISECOND);
    expect_untouched(t, rec, 0);
}

CFT_CASE(scope_ends_lookups_that_hang)
{
    cft_rec *all[3];
    cft_needs(t, CEDE_OP_LOOKUP);
    cft_hold_lookups(t);
    cft_rec *scope = cft_new(t);
    cede_prep_scope(scope->req);
    cft_submit(scope);
    for (uint32_t i = 0; i < 3; i++) {
        all[i] = cft_new(t);
        void *out = cft_buffer(all[i], sizeof(cede_address));
        cede_prep_lookup(all[i]->req, cft_input(all[i], "localhost", 10), PORT, 0, out, 1);
        cede_in(all[i]->req, scope->ticket);
        cft_submit(all[i]);
    }
    cft_flush(t);
    cft_cancel(t, scope->ticket);
    cft_await(t, scope);
    for (uint32_t i = 0; i < 3; i++)
        CFT_ENDED(t, all[i], CEDE_ECANCELED, CEDE_BY_SCOPE);
}

/* Law 11: nothing of the caller's is with them. */
CFT_CASE(loop_close_waits_for_no_lookup_that_hangs)
{
    cft_needs(t, CEDE_OP_LOOKUP);
    cft_hold_lookups(t);
    cft_rec *rec = lookup(t, "localhost", 0, 4);
    cft_until_lookup_hangs(t, rec);
    CFT_CHECK(t, cft_close(t, CEDE_FOREVER) == CEDE_OK);
    CFT_CHECK(t, cft_is_done(rec));
    CFT_CHECK(t, cft_faulted(t) || rec->result.status == CEDE_ECANCELED ||
                     rec->result.status == CEDE_OK);
}

static cede_status run(void *argument, uint64_t *count)
{
    (void)argument;
    *count = 1;
    return CEDE_OK;
}

/* More of them than any backend should have threads for. */
CFT_CASE(lookups_that_hang_hold_up_no_other_work)
{
    enum { LOOKUPS = 40 };
    cft_rec *all[LOOKUPS];
    cft_needs(t, CEDE_OP_LOOKUP);
    cft_hold_lookups(t);
    for (uint32_t i = 0; i < LOOKUPS; i++)
        all[i] = lookup(t, "localhost", 0, 4);
    cft_flush(t);
    for (uint32_t i = 0; i < 6; i++) {
        cft_rec *work = cft_new(t);
        cede_prep_work(work->req, run, NULL);
        cft_do(work);
        CFT_OK(t, work);
    }
    expect_number(t, "127.0.0.1", 0, CEDE_ADDRESS_IPV4);
    for (uint32_t i = 0; i < LOOKUPS; i += 2) /* those that run, those that queue */
        cft_cancel(t, all[i]->ticket);
    for (uint32_t i = 0; i < LOOKUPS; i += 2) {
        cft_await(t, all[i]);
        CFT_ENDED(t, all[i], CEDE_ECANCELED, CEDE_BY_WISH);
    }
    cft_release_lookups(t);
    for (uint32_t i = 1; i < LOOKUPS; i += 2) {
        cft_await(t, all[i]);
        CFT_OK(t, all[i]);
        CFT_EXPECT(t, all[i]->result.count >= 1);
    }
}

/* Records that were left go with their answers. Those of the first round are kept for the next
 * ones, and are as many as the library should ever have. */
CFT_CASE(lookups_that_were_left_leave_nothing)
{
    enum { LOOKUPS = 8 };
    cft_rec *all[LOOKUPS];
    int64_t most = 0;
    cft_needs(t, CEDE_OP_LOOKUP);
    cft_plain_memory(t);
    for (uint32_t round = 0; round < 4; round++) {
        cft_hold_lookups(t);
        for (uint32_t i = 0; i < LOOKUPS; i++)
            all[i] = lookup(t, "localhost", 0, 4);
        cft_flush(t);
        for (uint32_t i = 0; round > 0 && i < LOOKUPS; i++)
            cft_cancel(t, all[i]->ticket);
        if (round == 0)
            cft_release_lookups(t);
        for (uint32_t i = 0; i < LOOKUPS; i++) {
            cft_await(t, all[i]);
            CFT_STATUS(t, all[i], round ? CEDE_ECANCELED : CEDE_OK);
        }
        cft_turn(t);
        most = round ? most : cft_blocks();
        cft_release_lookups(t);
        while (cft_blocks() > most) /* their threads are on their way; lost, it hangs */
            cft_flush(t);
    }
}

/* ---- Every way to end it -------------------------------------------------------------------- */

static void lookup_prepare(cft *t, stage *s)
{
    cft_needs(t, CEDE_OP_LOOKUP);
    void *out = cft_buffer(s->rec, 2 * sizeof(cede_address));
    cede_prep_lookup(s->rec->req, cft_input(s->rec, "localhost", 10), PORT, 0, out, 1);
}

static void lookup_check(cft *t, stage *s, bool happened)
{
    cede_address at = address(s->rec, 0);
    CFT_CHECK(t, (s->rec->result.count > 0) == happened);
    CFT_CHECK(t, !happened || is_loopback(&at));
    expect_untouched(t, s->rec, happened);
}

ENDS(lookup, LOOKUP, lookup_prepare, NULL, lookup_check)
