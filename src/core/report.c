/*
 * What a backend's report means: the doors of backend.h, and the outcome that follows from what
 * kind of operation it was (law 7). Which step of the machine that is, request.c decides. On the
 * loop's thread, from inside a backend's start, cancel or wait.
 */
#include "core.h"

/* Out of room while nothing is under way that could make any, and after some tries without
 * progress: that is the outcome (law 15). A close keeps trying, and an accept waits for as long as
 * it takes. */
static bool may_give_up(const cede_loop *loop, const cedi_slot *slot)
{
    return !loop->inflight && !loop->ready_count && !loop->dropping &&
           cedi_list_empty(&loop->staged) && slot->op != CEDE_OP_CLOSE &&
           slot->op != CEDE_OP_ACCEPT && slot->op != CEDE_OP_ACCEPT_MANY;
}

bool cedi_waits_for_nobody(const cede_loop *loop, cedi_slot *slot)
{
    return may_give_up(loop, slot) && (++slot->tries & CEDI_PARKS) > 3;
}

/* It was cancelled, and nobody had asked: the system lacked what it takes (law 15). Or that is what
 * its file says, which is not asked for ever, whoever else is under way. */
static void cancelled_by_nobody(cede_loop *loop, cedi_slot *slot, int32_t os_error)
{
    bool counts = !(slot->cause & CEDE_BY_ANY) && !may_give_up(loop, slot);
    if (counts && (slot->tries & CEDI_PARKS) == CEDI_PARKS) {
        cedi_req_seal_by_fact(loop, slot, CEDE_EAGAIN, os_error);
        return;
    }
    slot->tries += counts;
    cedi_req_restart(loop, slot, CEDE_REPORT_PARK, os_error);
}

/* Time and again it is told that it need not wait, and then that it must: something else is ready
 * than what it waits for, such as a socket's queue of errors. From then on it looks after a while,
 * every other time; the time in between it may still be told, for it may only have come too late
 * (law 15: the loop never spins on it). */
bool cedi_polls_in_vain(cedi_slot *slot)
{
    if ((slot->tries & CEDI_POLLS) < CEDI_POLLS) {
        slot->tries += CEDI_POLL_ONE;
        return false;
    }
    slot->tries -= CEDI_POLL_ONE;
    return true;
}

/* Nothing more moved: it is not the end of what it reads from. */
static bool gives(uint8_t op)
{
    unsigned order = cedi_ops[op].order;
    return (order == CEDI_OUT || order == CEDI_TURN_OUT) && !(CEDI_PIN_OPS >> op & 1);
}

static void reported_whole(cede_loop *loop, cedi_slot *slot, uint64_t moved)
{
    uint64_t asked = cedi_req_asked(slot);
    slot->count += moved;
    if (slot->count >= asked || (moved && CEDI_FAULT(PART_IS_WHOLE)))
        cedi_req_seal_by_fact(loop, slot, CEDE_OK, 0);
    else if (moved)
        cedi_req_restart(loop, slot, CEDE_OK, 0);
    else if ((CEDI_PIN_OPS >> slot->op & 1) && asked == CEDE_TO_END)
        cedi_req_seal_by_fact(loop, slot, CEDE_OK, 0);
    else
        cedi_req_seal_by_fact(loop, slot, gives(slot->op) ? CEDE_EIO : CEDE_EEOF, 0);
}

/* An accept that cannot be made now: the client waits, or has left, and the listener goes on. */
static cede_status accept_again(cede_loop *loop, cedi_slot *slot, cede_status status,
                                int32_t os_error)
{
    switch (status) {
    case CEDE_EMFILE:
    case CEDE_ENFILE:
    case CEDE_ENOMEM:
        if (slot->op == CEDE_OP_ACCEPT_MANY) {
            cedi_item_waits(loop, slot, status, os_error);
            return CEDE_REPORT_PARK;
        }
        if (!(slot->tries & CEDI_PARKS))
            cedi_say(loop, "cede: an accept waits for a free descriptor");
        slot->tries = 1; /* not a count, which would come round */
        return CEDE_REPORT_PARK;
    case CEDE_ECONNABORTED:
    case CEDE_ECONNRESET:
        return CEDE_REPORT_AGAIN;
    default:
        return status;
    }
}

static void reported_failed(cede_loop *loop, cedi_slot *slot, cede_status status, int32_t os_error,
                            uint64_t count)
{
    if ((slot->op == CEDE_OP_ACCEPT || slot->op == CEDE_OP_ACCEPT_MANY) &&
        !CEDI_FAULT(NO_DESCRIPTOR_FAILS))
        status = accept_again(loop, slot, status, os_error);
    if (CEDI_POOL_OPS >> slot->op & 1)
        cedi_pool_reported(slot, status == CEDE_REPORT_POOL);
    if (status == CEDE_REPORT_POOL &&
        (!(CEDI_POOL_OPS >> slot->op & 1) || CEDI_FAULT(EMPTY_POOL_FAILS)))
        status = CEDE_ENOMEM;
    if (status <= CEDE_REPORT_AGAIN) {
        cedi_req_restart(loop, slot, status, os_error);
        return;
    }
    if (slot->op == CEDE_OP_WORK)
        slot->count = count; /* what its function returned, both of it */
    else if (cedi_ops[slot->op].shape == CEDI_WHOLE)
        slot->count += count;
    if (status != CEDE_ECANCELED || slot->op == CEDE_OP_WORK)
        cedi_req_seal_by_fact(loop, slot, status, os_error);
    else
        cancelled_by_nobody(loop, slot, os_error);
}

/* What kind of handle an operation makes, as far as it is known without asking. */
static uint32_t made_by(const cedi_slot *slot, const cede_args *args)
{
    switch (slot->op) {
    case CEDE_OP_LISTEN:
        return CEDE_KIND_LISTENER;
    case CEDE_OP_CONNECT:
    case CEDE_OP_ACCEPT:
        return CEDE_KIND_STREAM;
    case CEDE_OP_DATAGRAM:
        return CEDE_KIND_DATAGRAM;
    case CEDE_OP_PAIR:
        return args->net.flags == CEDE_PAIR_STREAM ? CEDE_KIND_STREAM : CEDE_KIND_PIPE;
    case CEDE_OP_SPAWN:
        return CEDE_KIND_CHILD;
    case CEDE_OP_WATCH:
        return CEDE_KIND_WATCH;
    default:
        return CEDE_KIND_AUTO;
    }
}

/* Descriptors become handles; a pair's second one where the backend wrote it. */
static void opened(cede_loop *loop, cedi_slot *slot, intptr_t native)
{
    cede_args *args = cedi_check_args(slot);
    uint32_t kind = made_by(slot, args);
    slot->count = cedi_entry_publish(loop, slot->at.on.made, native, kind);
    slot->at.on.made = 0;
    if (slot->op == CEDE_OP_PAIR) {
        cedi_check_touch(slot, true, true);
        uint64_t *second = args->net.out;
        *second = cedi_entry_publish(loop, slot->at.on.entry, (intptr_t)*second, kind);
        slot->at.on.entry = 0;
        cedi_check_touch(slot, false, true);
    }
    cedi_check_touch(slot, false, false);
    cedi_req_seal_by_fact(loop, slot, CEDE_OK, 0);
}

/* A shot of a many-shot, or all of it. */
static void reported_shot(cede_loop *loop, cedi_slot *slot, uint64_t count)
{
    if (slot->op == CEDE_OP_ACCEPT_MANY)
        cedi_item_accepted(loop, slot, (intptr_t)count);
    else if (count == 0 || CEDI_FAULT(LEFT_OFF_IS_OVER)) {
        cedi_req_seal_by_fact(loop, slot, CEDE_OK, 0); /* the end of the stream */
        return;
    }
    cedi_req_restart(loop, slot, CEDE_OK, 0);
}

void cede_core_item(cede_core *core, uint64_t token, uint64_t count, uint32_t number)
{
    cede_loop *loop = (cede_loop *)core;
    cedi_slot *slot = cedi_slot_at((uint32_t)token);
    CEDI_MUST(cedi_slot_token(slot) == token && cedi_req_is_pending(slot), slot);
    if (slot->op != CEDE_OP_ACCEPT_MANY && count == 0) {
        cedi_pool_unused(slot, number); /* nothing has happened: the report to come says why */
        return;
    }
    loop->reports++;
    if (slot->op == CEDE_OP_ACCEPT_MANY)
        cedi_item_accepted(loop, slot, (intptr_t)count);
    else
        cedi_pool_received(loop, slot, count, number);
}

void cede_core_signals(cede_core *core, uint64_t token, uint32_t bits)
{
    cede_loop *loop = (cede_loop *)core;
    cedi_slot *slot = cedi_slot_at((uint32_t)token);
    CEDI_MUST(cedi_slot_token(slot) == token && cedi_req_is_pending(slot), slot);
    loop->reports++;
    if (bits)
        cedi_item_signals(loop, slot, bits);
}

intptr_t cede_core_native(cede_core *core, cede_handle handle)
{
    uint32_t index;
    if (cedi_handle_bind((cede_loop *)core, handle, &index))
        return -1;
    return cedi_entry_at(index)->native;
}

bool cede_core_is_leaving(cede_core *core, uint64_t token)
{
    const cede_loop *loop = (cede_loop *)core;
    const cedi_slot *slot = cedi_slot_at((uint32_t)token);
    const cedi_entry *entry;
    if (loop->closing || !(slot->bits & CEDI_LISTED))
        return loop->closing;
    entry = cedi_entry_at(slot->at.on.entry);
    if (entry->flags & CEDI_SHUT)
        return true;
    for (uint32_t scope = entry->owner; scope; scope = cedi_slot_at(scope)->scope) {
        if (cedi_scope_is_ending(cedi_slot_at(scope)))
            return true;
    }
    return false;
}

bool cede_core_is_close(cede_core *core, uint64_t token)
{
    (void)core;
    return (token & CEDI_TOKEN_ENTRY) || cedi_slot_at((uint32_t)token)->op == CEDE_OP_CLOSE;
}

static void reported_datagram(cede_loop *loop, cedi_slot *slot, uint64_t count)
{
    uint64_t room = cedi_req_asked(slot);
    slot->count = count < room ? count : room;
    cedi_req_seal_by_fact(loop, slot, CEDE_OK, 0);
    if (count > room)
        slot->cause |= CEDE_TRUNCATED;
}

static CEDI_NOINLINE void reported(cede_loop *loop, cedi_slot *slot, cede_status status,
                                   int32_t os_error, uint64_t count)
{
    cedi_req_over(loop, slot);
    if (slot->op == CEDE_OP_CLOSE && status > CEDE_REPORT_AGAIN) {
        cedi_req_close_over(loop, slot, status, os_error);
    } else if (status != CEDE_OK) {
        reported_failed(loop, slot, status, os_error, count);
    } else if (cedi_ops[slot->op].shape == CEDI_WHOLE) {
        reported_whole(loop, slot, count);
    } else if (CEDI_FAULT(OPENED_THEN_LOST) && slot->op == CEDE_OP_OPEN &&
               (slot->cause & CEDE_BY_ANY)) {
        cedi_req_seal_by_cause(loop, slot);
    } else if (cedi_ops[slot->op].shape == CEDI_OPENS) {
        opened(loop, slot, (intptr_t)count);
    } else if (cedi_ops[slot->op].shape == CEDI_MANY) {
        reported_shot(loop, slot, count);
    } else { /* a recvfrom: the others are counted_ops */
        reported_datagram(loop, slot, count);
    }
}

/* Those of which a success tells no more than a count. */
static const uint64_t counted_ops = (0
#define CEDE_OP(NAME, name, handle, order, shape, host, promise) \
    | (uint64_t)(CEDI_##shape <= CEDI_ONE) << CEDE_OP_##NAME
#include "cede/ops.def"
                                     ) &
                                    ~(CEDI_BIT(CLOSE) | CEDI_BIT(RECVFROM));

/* Whole transfers of one piece: they end when all of it has moved. */
#define WHOLE_PIECES \
    (CEDI_BIT(READ_ALL) | CEDI_BIT(WRITE_ALL) | CEDI_BIT(RECV_ALL) | CEDI_BIT(SEND_ALL))

static inline bool moves_the_rest(const cedi_slot *slot, uint64_t count)
{
    return !CEDI_IS_CHECKED && (WHOLE_PIECES >> slot->op & 1) &&
           slot->count + count >= slot->req->args_.io.length_bytes;
}

/* A success, and nothing but the count to tell. */
static void reported_plain(cede_loop *loop, cedi_slot *slot, uint64_t count)
{
    if (CEDI_FAULT(CANCELED_THOUGH_MOVED) && (slot->cause & CEDE_BY_ANY)) {
        cedi_req_over(loop, slot);
        cedi_req_seal_by_cause(loop, slot);
        return;
    }
    if (CEDI_FAULT(SHORT_IS_FULL) && count)
        count = cedi_req_asked(slot);
    cedi_req_reported_ok(loop, slot, count);
}

static CEDI_NOINLINE void reported_drop(cede_loop *loop, uint32_t index, cede_status status,
                                        int32_t os_error)
{
    loop->inflight--;
    if (status <= CEDE_REPORT_AGAIN)
        cedi_handle_drop_again(loop, index, status == CEDE_REPORT_PARK);
    else
        cedi_handle_drop_over(loop, index, status, os_error);
}

void cede_core_done(cede_core *core, uint64_t token, cede_status status, int32_t os_error,
                    uint64_t count)
{
    cede_loop *loop = (cede_loop *)core;
    cedi_slot *slot;
    loop->reports++;
    if (CEDI_UNLIKELY(token & CEDI_TOKEN_ENTRY)) {
        reported_drop(loop, (uint32_t)token, status, os_error);
        return;
    }
    slot = cedi_slot_at((uint32_t)token);
    CEDI_MUST(cedi_slot_token(slot) == token, slot);
    if (CEDI_LIKELY(status == CEDE_OK && (counted_ops >> slot->op & 1)))
        reported_plain(loop, slot, count);
    else if (CEDI_LIKELY(status == CEDE_OK && moves_the_rest(slot, count)))
        reported_plain(loop, slot, slot->count + count);
    else
        reported(loop, slot, status, os_error, count);
}

/* An answer to that work alone, not a reason to keep back what is behind it (laws 10, 15). */
void cede_core_starved(cede_core *core, const cede_work *work, int32_t os_error)
{
    bool closes = work->op == CEDE_OP_CLOSE;
    cede_core_done(core, work->token, closes ? CEDE_REPORT_PARK : CEDE_ENOMEM, os_error, 0);
}

void cede_core_gone(cede_core *core, uint64_t token)
{
    cede_loop *loop = (cede_loop *)core;
    cedi_slot *slot = cedi_slot_at((uint32_t)token);
    if (cedi_slot_token(slot) != token)
        return;
    CEDI_MUST(slot->op == CEDE_OP_SEND_ZERO_COPY, slot);
    loop->reports++;
    if (!CEDI_FAULT(GONE_IS_NOT_HEARD))
        cedi_order_gone(loop, slot);
}

void cede_core_cancel_again(cede_core *core, uint64_t token)
{
    cedi_slot *slot;
    if (token & CEDI_TOKEN_ENTRY)
        return; /* no wish moves a drop */
    slot = cedi_slot_at((uint32_t)token);
    if (cedi_slot_token(slot) == token)
        cedi_req_cancel_again((cede_loop *)core, slot);
}
