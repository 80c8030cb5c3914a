/*
 * Ceding: from the caller's request to a slot that the machine has started, held or refused.
 *
 * cede_submit does all of it in the call. A remote submit fills the slot and sends it; the loop's
 * thread takes it later, through the same cedi_take. Submit cannot fail: what goes wrong becomes
 * the outcome of the slot, and where there is no slot the request travels in its own memory.
 */
#include "core.h"

#include <string.h>

#undef cede_submit
#undef cede_submit_remote

/* ---- A request becomes a slot --------------------------------------------------------------- */

bool cedi_in_flight(const cede_req *req)
{
    cedi_slot *slot;
    if (CEDI_FAULT(IN_FLIGHT_AGAIN))
        return false;
    if (req->seal_ != CEDI_IN_FLIGHT)
        return (req->seal_ ^ (uintptr_t)req) == CEDI_ORPHANED ||
               (req->seal_ ^ (uintptr_t)req) == CEDI_POSTED;
    slot = cedi_slot_find(req->slot_);
    if (!slot || slot->req != req)
        return false;
    /* Or it stands in the very chain that is being taken, which leads back to it. */
    return cedi_req_is_live(slot) ||
           (atomic_load_explicit(&slot->word, memory_order_relaxed) & CEDI_TAKEN);
}

#define NOT_BARE \
    (CEDI_HAS_SCOPE | CEDI_HAS_NEXT | CEDI_HAS_HANDLE | CEDI_IS_INVALID | CEDI_IS_BACKGROUND)

static void fill(cedi_slot *slot, cede_req *req, cede_done *done, const char *where)
{
    if (req->seal_ != CEDI_PREPARED || req->op_ >= CEDE_OP_COUNT) {
        req->attributes_ = 0; /* whatever is in it, nobody put it there for this submission */
        req->op_ = CEDE_OP_NONE;
    }
    cedi_slot_fill(slot, req, done, where);
    if ((CEDI_BARE_OPS >> slot->op & 1) && !(req->attributes_ & NOT_BARE) && !CEDI_IS_CHECKED)
        slot->holds = CEDI_BARE;
    if ((req->attributes_ & CEDI_IS_BACKGROUND) && !CEDI_FAULT(BACKGROUND_HOLDS))
        slot->bits = CEDI_BACKGROUND;
    /* now: a wish may bring its payload before the taking */
    memset(&slot->at, 0, sizeof slot->at);
}

/* ---- Admission, on the loop's thread -------------------------------------------------------- */

/* Relative times count from the first reading of the clock after the submit (1b: Time), which need
 * not be made for each: the wheel keeps them until there is one. A timer with a deadline is armed
 * by whichever comes first, so both have to be known. */
static void arm(cede_loop *loop, cedi_slot *slot, const cede_req *req)
{
    uint64_t deadline = CEDE_FOREVER, expiry = req->args_.timer.ns;
    bool timer = slot->op == CEDE_OP_TIMER;
    bool timed = req->attributes_ & (CEDI_HAS_WITHIN | CEDI_HAS_UNTIL);
    if (timer && !timed) {
        slot->count = CEDE_FOREVER;
        slot->bits |= CEDI_BY_TIMER;
    }
    if (timer ? !timed && !req->args_.timer.absolute : req->attributes_ & CEDI_HAS_WITHIN) {
        uint64_t ns = timer ? expiry : req->deadline_ns_;
        if (ns != CEDE_FOREVER && !(CEDI_FAULT(DEADLINE_NOT_HELD) && slot->holds))
            cedi_wheel_move_in(loop, slot, ns);
        return;
    }
    if (timed)
        deadline = req->attributes_ & CEDI_HAS_UNTIL
                       ? req->deadline_ns_
                       : cedi_add(cedi_clock(loop), req->deadline_ns_);
    slot->expiry_ns = deadline;
    if (timer) {
        if (!req->args_.timer.absolute)
            expiry = cedi_add(cedi_clock(loop), expiry);
        slot->count = deadline;
        if (expiry <= deadline) {
            slot->expiry_ns = expiry;
            slot->bits |= CEDI_BY_TIMER;
        }
    }
    if (slot->expiry_ns != CEDE_FOREVER && !(CEDI_FAULT(DEADLINE_NOT_HELD) && slot->holds))
        cedi_wheel_add(loop, slot);
}

/* Why a handle of this kind does not take this operation. */
static cede_status wrong_kind(const cedi_slot *slot, const cedi_entry *entry)
{
    if (slot->op == CEDE_OP_READDIR)
        return CEDE_ENOTDIR;
    return entry->kind == CEDE_KIND_DIR && (cedi_ops[slot->op].kinds & CEDE_KIND_PIPE)
               ? CEDE_EISDIR
               : CEDE_EINVAL;
}

static cede_status admit_handle(cede_loop *loop, cedi_slot *slot, cede_handle handle,
                                uint16_t kinds, uint32_t *index, cedi_entry **entry)
{
    cede_status status = cedi_handle_bind(loop, handle, index);
    if (status)
        return status;
    *entry = cedi_entry_at(*index);
    status = cedi_handle_attach(loop, *index);
    if (status)
        return status;
    return kinds & (*entry)->kind ? CEDE_OK : wrong_kind(slot, *entry);
}

/* What pends on two handles: a pin, a slot without a request, stands for it at the second, so that
 * a close there finds it. False: there is no slot. */
static bool pin_at(cede_loop *loop, cedi_slot *slot, uint32_t index)
{
    cedi_slot *pin = cedi_slot_take(loop);
    if (!pin)
        return false;
    pin->req = NULL;
    pin->op = CEDE_OP_NONE;
    pin->bits = 0;
    pin->holds = 0;
    pin->scope = 0;
    pin->follower = slot->id; /* whom it stands for */
    slot->at.on.pin = pin->id;
    cedi_order_join(pin, index);
    return true;
}

static cede_status admit_pin(cede_loop *loop, cedi_slot *slot, cede_handle other)
{
    uint32_t index;
    cedi_entry *entry;
    cede_status status = admit_handle(loop, slot, other, CEDE_KIND_FILE, &index, &entry);
    if (status)
        return status;
    return pin_at(loop, slot, index) ? CEDE_OK : CEDE_ENOMEM;
}

static bool positioned(const cedi_slot *slot, const cede_req *req)
{
    if (slot->op == CEDE_OP_READV || slot->op == CEDE_OP_WRITEV)
        return req->args_.vec.offset != CEDE_CURRENT;
    return req->args_.io.offset != CEDE_CURRENT;
}

/* A handle for what it will make, now: once it is made, nothing may be lacking (law 8). */
static bool reserve(cede_loop *loop, uint32_t *index)
{
    *index = cedi_entry_reserve(loop);
    return *index;
}

/* All handles that the arguments name, also where one of them, or another argument, will not do.
 * What the first says that cannot be bound. Any thread. */
static cede_status bind_others(cede_loop *loop, const cede_req *req)
{
    cede_status status = CEDE_OK;
    uint32_t index;
    if (CEDI_PIN_OPS >> req->op_ & 1)
        return cedi_handle_bind(loop, req->args_.copy.other, &index);
    if (req->op_ != CEDE_OP_SPAWN || !req->args_.spawn.how) /* NULL: it will be refused */
        return CEDE_OK;
    for (unsigned i = 0; i < 3; i++) {
        cede_handle handle = req->args_.spawn.how->stdio[i];
        cede_status its = handle ? cedi_handle_bind(loop, handle, &index) : CEDE_OK;
        status = status ? status : its;
    }
    return status;
}

/* Whatever comes of the request, the submit call binds what it names (1b: Handles). */
void cedi_submit_binds(cede_loop *loop, const cede_req *req)
{
    uint32_t index;
    if ((req->attributes_ & CEDI_HAS_HANDLE) || req->op_ == CEDE_OP_CLOSE)
        (void)cedi_handle_bind(loop, req->handle_, &index);
    (void)bind_others(loop, req);
}

/* The same of all that is linked behind it, on whatever thread. Links may run in a circle, which is
 * told when the loop takes them: one that goes half as fast is met there. */
static void chain_binds(cede_loop *loop, const cede_req *req)
{
    const cede_req *slow = req;
    for (bool odd = false;; odd = !odd) {
        cedi_submit_binds(loop, req);
        if (!(req->attributes_ & CEDI_HAS_NEXT))
            return;
        req = req->next_;
        if (req == slow || req->seal_ != CEDI_PREPARED)
            return;
        if (odd)
            slow = slow->next_;
    }
}

static cede_status admit_opening(cede_loop *loop, cedi_slot *slot, const cede_req *req)
{
    cede_status status = bind_others(loop, req);
    slot->at.on.entry = 0;
    if (status)
        return status;
    if (!reserve(loop, &slot->at.on.made))
        return CEDE_ENOMEM;
    if (slot->op != CEDE_OP_PAIR || reserve(loop, &slot->at.on.entry))
        return CEDE_OK;
    cedi_entry_free(slot->at.on.made);
    slot->at.on.made = 0;
    return CEDE_ENOMEM;
}

static cede_status admit_on_handle(cede_loop *loop, cedi_slot *slot, const cede_req *req, bool late)
{
    uint32_t index;
    cedi_entry *entry;
    unsigned order = cedi_ops[slot->op].order;
    cede_status status =
        admit_handle(loop, slot, req->handle_, cedi_ops[slot->op].kinds, &index, &entry);
    if (status)
        return status;
    if (order == CEDI_IN || order == CEDI_OUT) {
        if (!positioned(slot, req))
            slot->bits |= CEDI_ORDERED;
        else if (entry->kind & CEDE_KIND_STREAMS)
            return CEDE_ESPIPE;
    } else if (order != CEDI_FREE) {
        slot->bits |= CEDI_ORDERED;
    }
    slot->at.on.pin = 0;
    if (CEDI_PIN_OPS >> slot->op & 1) {
        status = admit_pin(loop, slot, req->args_.copy.other);
        if (status)
            return status;
    }
    if ((cedi_ops[slot->op].shape == CEDI_OPENS || slot->op == CEDE_OP_ACCEPT_MANY) &&
        !reserve(loop, &slot->at.on.made))
        return CEDE_ENOMEM;
    if (CEDI_POOL_OPS >> slot->op & 1) {
        status = cedi_pool_join(loop, slot->op, &req->args_);
        if (status)
            return status;
    }
    if (late) /* a close finds it, its place comes with its turn */
        cedi_order_append(slot, entry, index, CEDI_LIST_FREE);
    else
        cedi_order_join(slot, index);
    return CEDE_OK;
}

/* A close takes effect at once: the handle is stale from here. */
void cedi_take_close(cede_loop *loop, cedi_slot *slot)
{
    uint32_t index;
    cede_status status;
    cedi_check_touch(slot, true, false);
    status = cedi_handle_bind(loop, slot->req->handle_, &index);
    cedi_check_touch(slot, false, false);
    if (status) {
        slot->holds = 0;
        cedi_req_refuse(loop, slot, status, 0);
        return;
    }
    slot->at.on.entry = index;
    cedi_handle_shut(loop, index, slot->id, CEDE_BY_CLOSE);
}

/* The handles of a refused request are not closed before its done has come, either (law 10): who
 * gets the done of a close frees what all of them share. */
static void list_refused(cede_loop *loop, cedi_slot *slot, const cede_req *req)
{
    uint32_t index, other;
    bool two = (CEDI_PIN_OPS >> slot->op & 1) &&
               cedi_handle_bind(loop, req->args_.copy.other, &other) == CEDE_OK;
    slot->at.on.pin = 0;
    if (cedi_handle_bind(loop, req->handle_, &index) != CEDE_OK) {
        if (!two)
            return;
        index = other;
        two = false;
    }
    slot->bits |= CEDI_REFUSED;
    cedi_order_join(slot, index);
    if (two)
        (void)pin_at(loop, slot, other);
}

static void refuse(cede_loop *loop, cedi_slot *slot, cede_status status, uint8_t by)
{
    slot->bits &= (uint8_t)~CEDI_ORDERED;
    if (slot->op == CEDE_OP_CLOSE || slot->op == CEDE_OP_SPAWN)
        cedi_order_aside(loop, slot);
    else if (slot->req->attributes_ & CEDI_HAS_HANDLE)
        list_refused(loop, slot, slot->req);
    cedi_req_refuse(loop, slot, status, by);
}

/* How a request comes to be admitted: by itself, or linked behind others. */
enum { ALONE, LINKED, BEHIND_A_SCOPE };

/* Everything that is not a bare operation of the core's. `lack`: what there is no room for, if it
 * is not a close. */
static void admit(cede_loop *loop, cedi_slot *slot, int how, cede_status lack)
{
    cede_req *req = slot->req;
    uint8_t attributes = req->attributes_;
    cede_status status = CEDE_OK, joined = CEDE_OK;

    if (how != ALONE)
        slot->holds = CEDI_HOLD_LINK; /* and not bare: it may end in other ways */
    if (attributes & CEDI_HAS_SCOPE)
        joined = cedi_scope_join(loop, slot, req->scope_);
    if (slot->op == CEDE_OP_NONE || (attributes & CEDI_IS_INVALID))
        status = CEDE_EINVAL;
    else if (slot->op == CEDE_OP_CLOSE)
        status = CEDE_OK; /* needs no open scope, loop or deadline (law 10) */
    else if (loop->closing)
        status = CEDE_EENDED;
    else if (joined)
        status = joined;
    else if (CEDI_UNLIKELY(lack))
        status = lack;
    else if (!(loop->supported >> slot->op & 1))
        status = CEDE_ENOTSUP;
    else if (attributes & CEDI_HAS_HANDLE)
        status = admit_on_handle(loop, slot, req, how == BEHIND_A_SCOPE);
    else if (cedi_ops[slot->op].shape == CEDI_OPENS || slot->op == CEDE_OP_SIGNAL_MANY)
        status = admit_opening(loop, slot, req);
    if (status) {
        uint8_t by = status != CEDE_EENDED ? 0 : loop->closing ? CEDE_BY_LOOP : CEDE_BY_SCOPE;
        slot->holds = 0;
        cedi_submit_binds(loop, req);
        refuse(loop, slot, status, by);
        return;
    }
    if (slot->op == CEDE_OP_CLOSE) {
        slot->holds |= CEDI_HOLD_CLOSE; /* until nothing is pending on its handle */
        cedi_req_start(loop, slot);
        if (how != ALONE) { /* the submit binds, though it takes effect later */
            (void)cedi_handle_bind(loop, req->handle_, &(uint32_t){0});
            cedi_order_aside(loop, slot);
        } else {
            cedi_take_close(loop, slot);
        }
        return;
    }
    if (slot->op == CEDE_OP_SPAWN)
        cedi_order_aside(loop, slot);
    if (slot->op == CEDE_OP_TIMER || (attributes & (CEDI_HAS_WITHIN | CEDI_HAS_UNTIL)))
        arm(loop, slot, req);
    cedi_req_start(loop, slot);
}

/* A slot for each follower, hung behind its predecessor; or none at all, if one is lacking, or if
 * one is to come before a scope that has none. */
static bool fill_chain(cede_loop *loop, cedi_slot *head)
{
    cedi_slot *slot = head;
    while (slot->req->attributes_ & CEDI_HAS_NEXT) {
        cede_req *next = slot->req->next_;
        cedi_slot *follower;
        cedi_check_submit(next, head->where);
        if (cedi_in_flight(next))
            cedi_misuse("law 17: linked while in flight", cedi_slot_find(next->slot_), head->where);
        follower = cedi_joins_orphan(next) ? NULL : cedi_slot_take(loop);
        if (!follower)
            break;
        fill(follower, next, slot->req->next_done_, head->where);
        cedi_slot_mark_taken(follower);
        follower->u.since_ms = head->u.since_ms;
        follower->link.prev = &slot->link;
        slot->follower = follower->id;
        slot = follower;
    }
    if (CEDI_LIKELY(!(slot->req->attributes_ & CEDI_HAS_NEXT)))
        return true;
    for (uint32_t id = head->follower, next; id; id = next) {
        cedi_slot *follower = cedi_slot_at(id);
        next = follower->follower;
        follower->req->seal_ = CEDI_PREPARED; /* as it was: one that is not ends its chain */
        cedi_slot_retire(loop, follower);
        cedi_slot_recycle(loop, follower);
    }
    head->follower = 0;
    return false;
}

/* All of a chain is admitted, or, where there is not room for all, nothing of it starts. A follower
 * that is refused at once is already on its way to its done; the ones behind it end by its link. */
static void admit_chain(cede_loop *loop, cedi_slot *slot)
{
    cede_req *next = slot->req->next_;
    cede_done *done = slot->req->next_done_;
    int how = LINKED;
    if (!fill_chain(loop, slot)) {
        admit(loop, slot, ALONE, CEDE_ENOMEM);
        cedi_orphan_chain(loop, next, done, CEDE_ECANCELED, CEDE_BY_LINK);
        return;
    }
    admit(loop, slot, ALONE, CEDE_OK);
    while (slot->follower) {
        cedi_slot *follower = cedi_slot_at(slot->follower);
        how = slot->op == CEDE_OP_SCOPE ? BEHIND_A_SCOPE : how;
        loop->counts.submitted++;
        loop->background += follower->bits & CEDI_BACKGROUND;
        admit(loop, follower, how, CEDE_OK);
        if (cedi_req_is_ready(follower))
            slot->follower = 0;
        cedi_check_cede(follower);
        slot = follower;
    }
}

static void take(cede_loop *loop, cedi_slot *slot)
{
    loop->counts.submitted++;
    loop->background += slot->bits & CEDI_BACKGROUND;
    slot->u.since_ms = cedi_stamp_ms(loop);
    if (CEDI_UNLIKELY(slot->req->attributes_ & CEDI_HAS_NEXT))
        admit_chain(loop, slot);
    else
        admit(loop, slot, ALONE, CEDE_OK);
}

void cedi_take_remote(cede_loop *loop, cedi_slot *slot)
{
    uint64_t word = atomic_fetch_or_explicit(&slot->word, CEDI_TAKEN, memory_order_acq_rel);
    loop->counts.remote++;
    loop->remote_debt++;
    loop->inherited = slot->refusals;
    slot->refusals = 0;
    cedi_check_touch(slot, true, false);
    take(loop, slot);
    cedi_check_touch(slot, false, false);
    if (word & CEDI_EARLY)
        cedi_wish_apply(loop, slot); /* it came before the submission */
}

void cedi_take_post(cede_loop *loop, cede_req *req)
{
    cede_done *done = (cede_done *)(uintptr_t)req->args_.words[CEDI_ORPHAN_DONE];
    const char *where = (const char *)(uintptr_t)req->args_.words[CEDI_ORPHAN_WHERE];
    cedi_slot *slot;
    loop->counts.remote++;
    if (CEDI_LIKELY(loop->free.next && (loop->express & CEDI_BIT(NOP)))) {
        (void)cedi_req_express(loop, req, done, where);
        return;
    }
    slot = cedi_slot_take(loop);
    if (!slot) {
        req->seal_ = CEDI_ORPHANED ^ (uintptr_t)req;
        req->args_.words[CEDI_ORPHAN_SCOPE] = 0; /* inherits nothing */
        cedi_orphan_arrived(loop, req);
        return;
    }
    req->seal_ = CEDI_PREPARED;
    loop->inherited = 0;
    fill(slot, req, done, where);
    cedi_slot_mark_taken(slot);
    take(loop, slot);
}

/* ---- The calls ------------------------------------------------------------------------------ */

static inline void admissible(const cede_loop *loop, const cede_req *req, cede_done *done,
                              const char *where)
{
    if (CEDI_UNLIKELY(!loop || !req || !done))
        cedi_misuse_of("law 17: submit without a loop, a request or a callback", req, where);
    cedi_check_submit(req, where);
    if (CEDI_UNLIKELY(req->seal_ != CEDI_PREPARED) && cedi_in_flight(req)) {
        uint64_t its = req->op_ == CEDE_OP_SCOPE ? 0 : req->args_.words[CEDI_ORPHAN_WHERE];
        const cedi_slot shown = {.op = req->op_, .where = (const char *)(uintptr_t)its};
        bool in_slot = req->seal_ == CEDI_IN_FLIGHT;
        cedi_misuse("law 17: submitted while in flight",
                    in_slot ? cedi_slot_find(req->slot_) : &shown, where);
    }
}

/* The long way, on which everything is looked at. */
CEDI_NOINLINE cede_ticket cedi_submit_long(cede_loop *loop, cede_req *req, cede_done *done,
                                           const char *where)
{
    cedi_slot *slot;
    cede_ticket ticket;
    admissible(loop, req, done, where);
    if (CEDI_UNLIKELY(cedi_is_foreign(loop)))
        cedi_misuse_foreign(loop, "submit", req, where);
    slot = CEDI_UNLIKELY(cedi_joins_orphan(req)) ? NULL : cedi_slot_take(loop);
    if (CEDI_UNLIKELY(!slot)) {
        cedi_orphan_chain(loop, req, done, CEDE_ENOMEM, 0);
        return cedi_orphan_ticket(loop);
    }
    fill(slot, req, done, where);
    cedi_slot_mark_taken(slot);
    ticket = cedi_slot_ticket(slot);
    take(loop, slot);
    cedi_check_cede(slot);
    if (CEDI_FAULT(INLINE_DONE) && cedi_req_is_ready(slot))
        cedi_req_deliver(loop, slot);
    return ticket;
}

/* What needs no more than a slot, or a slot and a handle in use, takes a short way. */
cede_ticket cede_submit_at(cede_loop *loop, cede_req *req, cede_done *done, const char *where)
{
    if (CEDI_IS_CHECKED || /* first: a request in flight is poisoned */
        CEDI_UNLIKELY(!loop || !req || !done || req->seal_ != CEDI_PREPARED) ||
        CEDI_UNLIKELY(!loop->free.next) || CEDI_UNLIKELY(cedi_is_foreign(loop)) ||
        CEDI_FAULT(INLINE_DONE))
        return cedi_submit_long(loop, req, done, where);
    if ((loop->express >> req->op_ & 1) && !req->attributes_)
        return cedi_req_express(loop, req, done, where);
    if ((loop->transfers >> req->op_ & 1) && req->attributes_ == CEDI_HAS_HANDLE)
        return cedi_transfer_submit(loop, req, done, where);
    return cedi_submit_long(loop, req, done, where);
}

cede_ticket cede_submit(cede_loop *loop, cede_req *req, cede_done *done)
{
    return cede_submit_at(loop, req, done, NULL);
}

/* A bare no-op that nobody can aim at travels in its own memory: see inbox.c. Not one from inside a
 * callback of the loop's own, which may be a retry, and is to be counted as one. */
static bool post(cede_loop *loop, cede_req *req, cede_done *done, const char *where)
{
    if (req->seal_ != CEDI_PREPARED || req->op_ != CEDE_OP_NOP || req->attributes_ ||
        cedi_inbox_has_nodes(loop) || cede_in_callback(loop) || CEDI_IS_CHECKED)
        return false;
    req->seal_ = CEDI_POSTED ^ (uintptr_t)req;
    req->args_.words[CEDI_ORPHAN_DONE] = (uintptr_t)done;
    req->args_.words[CEDI_ORPHAN_WHERE] = (uintptr_t)where;
    if (CEDI_LIKELY(cedi_inbox_post(loop, req)))
        return true;
    req->seal_ = CEDI_PREPARED;
    return false;
}

void cede_submit_remote_at(cede_loop *loop, cede_req *req, cede_done *done, cede_ticket *before,
                           const char *where)
{
    cedi_slot *slot;
    admissible(loop, req, done, where);
    if (!atomic_load_explicit(&loop->open, memory_order_acquire) || *loop->alive != 1)
        cedi_misuse_of("law 11: remote submit to a closed loop, or in a forked child (law 17)", req,
                       where);
    if (!before && post(loop, req, done, where))
        return;
    if (CEDI_LIKELY(req->seal_ == CEDI_PREPARED))
        chain_binds(loop, req); /* from here the handles are this loop's */
    slot = CEDI_UNLIKELY(cedi_joins_orphan(req)) ? NULL : cedi_slot_take_remote(loop);
    if (CEDI_UNLIKELY(!slot)) {
        if (before)
            *before = cedi_orphan_ticket(loop);
        cedi_orphan_send(loop, req, done);
        return;
    }
    fill(slot, req, done, where);
    if (before)
        *before = cedi_slot_ticket(slot);
    if (cede_in_callback(loop))
        slot->refusals = cedi_refusals(loop); /* a retry by this way counts too (law 17) */
    cedi_req_ceded(slot);
    cedi_check_cede(slot);
    if (!cedi_inbox_push(loop, CEDI_NODE_SUBMIT, slot->id))
        cedi_misuse("law 11: remote submit to a closed loop", slot, where);
}

void cede_submit_remote(cede_loop *loop, cede_req *req, cede_done *done, cede_ticket *before)
{
    cede_submit_remote_at(loop, req, done, before, NULL);
}
