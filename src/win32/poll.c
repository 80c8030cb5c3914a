/*
 * Readiness of what is somebody else's to use.
 *
 * Sockets by WSAPoll, which leaves their mode and their events alone, on one thread of the loop
 * that is made when first something is not ready at once. The thread has the list; the loop adds to
 * it, marks what a cancel wants out of it, and wakes the thread by a datagram to itself. A socket
 * is told of when the thread is not looking at it any more, and never by the cancel.
 *
 * WSAPoll tells whatever it is asked for that the other end sends no more (POLLHUP), and that
 * stays so. Who waits for room on such a stream is looked at a hundred times a second, in turn with
 * a wait for the others: waited for with these it would have the thread turn without an end, and
 * more seldom it would be slow.
 *
 * What is no socket, and can be signalled, by object.c.
 *
 * Threads: `watch` is the thread's; entries are shared, under the lock.
 */
#include "net.h"

#include <process.h>
#include <string.h>

#include "cede/system.h"

typedef struct entry {
    win_io *io;
    SOCKET socket;
    SHORT events;
    bool leaves;
    bool half; /* the other end sends no more, and there was no room */
} entry;

#define HALF_MS 10 /* between two looks at those */

typedef struct win_poller {
    SRWLOCK lock;
    HANDLE thread;
    SOCKET wake; /* leads to itself */
    bool stopping;
    uint32_t count, room;
    uint32_t halves; /* how many of these are half */
    entry *entries;
    WSAPOLLFD *fresh; /* room for all of them, for the thread to take; NULL: it has */
    WSAPOLLFD *fds;   /* the thread's; the first is the wake */
} win_poller;

/* ---- What holds ----------------------------------------------------------------------------- */

static SHORT wanted(uint32_t events)
{
    return (SHORT)((events & CEDE_POLL_IN ? POLLRDNORM : 0) |
                   (events & CEDE_POLL_OUT ? POLLWRNORM : 0));
}

/* Or it has only ended what it sends. Where nothing is to be received there is an end, or an error,
 * so that this does not wait, and takes nothing. (A receive that looks has the owner's events told
 * anew, if he has any: where there is data it is not made.) */
static bool is_gone(SOCKET socket)
{
    char byte;
    if (recv(socket, &byte, 1, MSG_PEEK) >= 0)
        return false;
    switch (WSAGetLastError()) {
    case WSAECONNRESET:
    case WSAECONNABORTED:
    case WSAENETRESET:
    case WSAETIMEDOUT:
    case WSAENOTCONN:
        return true;
    default:
        return false;
    }
}

/* Where the other end is gone nothing waits; where it sends no more, a receive does not. */
static uint32_t held(SOCKET socket, SHORT found, SHORT asked)
{
    uint32_t events = 0;
    const SHORT data = POLLRDNORM | POLLRDBAND;
    bool gone = (found & POLLERR) || ((found & (POLLHUP | data)) == POLLHUP && is_gone(socket));
    if ((gone || (found & (POLLHUP | data))) && (asked & POLLRDNORM))
        events |= CEDE_POLL_IN;
    if ((gone || (found & POLLWRNORM)) && (asked & POLLWRNORM))
        events |= CEDE_POLL_OUT;
    if (gone && (found & POLLHUP))
        events |= CEDE_POLL_HANGUP;
    if (found & POLLERR)
        events |= CEDE_POLL_ERROR;
    return events;
}

static uint32_t look(const win *self, SOCKET socket, SHORT asked, SHORT *found)
{
    WSAPOLLFD one = {.fd = socket, .events = asked | POLLRDNORM};
    uint32_t error = cedi_win_fault(self, "WSAPoll");
    *found = 0;
    if (error == 0 && WSAPoll(&one, 1, 0) < 0)
        error = (uint32_t)WSAGetLastError();
    *found = one.revents;
    return error == 0 && (one.revents & POLLNVAL) ? WSAENOTSOCK : error;
}

/* ---- The thread ----------------------------------------------------------------------------- */

static void drain(SOCKET wake)
{
    char bytes[16];
    while (recv(wake, bytes, sizeof bytes, 0) >= 0)
        ;
}

/* With those that are half, or without: then the wake is asked in their places, too, since each has
 * to be asked for something. */
static uint32_t take_list(win_poller *poller, bool all)
{
    if (poller->fresh) {
        cedi_memory_free(poller->fds);
        poller->fds = poller->fresh;
        poller->fresh = NULL;
    }
    poller->fds[0].fd = poller->wake;
    poller->fds[0].events = POLLRDNORM;
    for (uint32_t i = 0; i < poller->count; i++) {
        bool asks = all || !poller->entries[i].half;
        poller->fds[i + 1].fd = asks ? poller->entries[i].socket : poller->wake;
        poller->fds[i + 1].events = poller->entries[i].events;
        if (poller->entries[i].half)
            poller->fds[i + 1].events |= POLLRDNORM; /* see is_gone */
    }
    return poller->count;
}

static void take_out(win_poller *poller, uint32_t which, uint32_t error, uint32_t events,
                     win_io **finished)
{
    win_io *io = poller->entries[which].io;
    poller->halves -= poller->entries[which].half;
    io->error = error;
    io->bytes = events;
    io->next = *finished;
    *finished = io;
    poller->entries[which] = poller->entries[--poller->count];
}

/* Others may have come behind those that were looked at. */
static win_io *sort_out(win_poller *poller, uint32_t looked_at, bool all, uint32_t error)
{
    win_io *finished = NULL;
    for (uint32_t i = looked_at; i-- > 0;) {
        entry *entry = &poller->entries[i];
        bool asked = all || !entry->half;
        SHORT found = error || !asked ? 0 : poller->fds[i + 1].revents;
        uint32_t events = found & ~POLLNVAL ? held(entry->socket, found, entry->events) : 0;
        if (found & POLLNVAL) {
            take_out(poller, i, WSAENOTSOCK, 0, &finished);
        } else if (events || error) {
            take_out(poller, i, error, events, &finished);
        } else if (found && !entry->half) {
            entry->half = true;
            poller->halves++;
        }
    }
    for (uint32_t i = poller->count; i-- > 0;) { /* none is looked at just now */
        if (poller->entries[i].leaves)
            take_out(poller, i, ERROR_OPERATION_ABORTED, 0, &finished);
    }
    return finished;
}

static unsigned __stdcall watch(void *context)
{
    win_poller *poller = context;
    bool all = true;
    AcquireSRWLockExclusive(&poller->lock);
    while (!poller->stopping) {
        uint32_t count = take_list(poller, all), error = 0;
        int wait_ms = poller->halves == 0 ? -1 : all ? 0 : HALF_MS;
        win_io *finished;
        ReleaseSRWLockExclusive(&poller->lock);
        if (WSAPoll(poller->fds, count + 1, wait_ms) < 0)
            error = (uint32_t)WSAGetLastError();
        drain(poller->wake);
        AcquireSRWLockExclusive(&poller->lock);
        finished = sort_out(poller, count, all, error);
        all = !all || poller->halves == 0;
        ReleaseSRWLockExclusive(&poller->lock);
        while (finished) {
            win_io *next = finished->next;
            cedi_win_event_tell(finished);
            finished = next;
        }
        AcquireSRWLockExclusive(&poller->lock);
    }
    ReleaseSRWLockExclusive(&poller->lock);
    return 0;
}

/* ---- Its life; the loop's thread ------------------------------------------------------------ */

static uint32_t wake(const win_poller *poller)
{
    if (send(poller->wake, "", 1, 0) >= 0 || WSAGetLastError() == WSAEWOULDBLOCK)
        return 0; /* what has no room for it has one already */
    return (uint32_t)WSAGetLastError();
}

static uint32_t make_wake(const win *self, SOCKET *out)
{
    struct sockaddr_in name = {.sin_family = AF_INET};
    int bytes = sizeof name;
    u_long yes = 1;
    uint32_t error = cedi_win_make_socket(self, AF_INET, SOCK_DGRAM, out);
    if (error)
        return error;
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(*out, (struct sockaddr *)&name, sizeof name) != 0 ||
        getsockname(*out, (struct sockaddr *)&name, &bytes) != 0 ||
        connect(*out, (struct sockaddr *)&name, bytes) != 0 ||
        ioctlsocket(*out, (long)FIONBIO, &yes) != 0) {
        error = (uint32_t)WSAGetLastError();
        (void)closesocket(*out);
    }
    return error;
}

static void poller_free(win_poller *poller)
{
    (void)closesocket(poller->wake);
    cedi_memory_free(poller->entries);
    cedi_memory_free(poller->fresh);
    cedi_memory_free(poller->fds);
    cedi_memory_free(poller);
}

static bool grow(win_poller *poller)
{
    uint32_t room = poller->room ? poller->room * 2 : 16;
    entry *entries = cedi_memory_get(room * sizeof *entries), *old = poller->entries;
    WSAPOLLFD *fds = cedi_memory_get((room + 1) * sizeof *fds), *unused;
    if (!entries || !fds) {
        cedi_memory_free(entries);
        cedi_memory_free(fds);
        return false;
    }
    AcquireSRWLockExclusive(&poller->lock);
    if (old)
        memcpy(entries, old, poller->count * sizeof *entries);
    unused = poller->fresh;
    poller->entries = entries;
    poller->fresh = fds;
    poller->room = room;
    ReleaseSRWLockExclusive(&poller->lock);
    cedi_memory_free(old);
    cedi_memory_free(unused);
    return true;
}

static uint32_t poller_open(win *self)
{
    win_poller *poller = cedi_memory_get(sizeof *poller);
    uint32_t error;
    if (!poller)
        return ERROR_NOT_ENOUGH_MEMORY;
    InitializeSRWLock(&poller->lock);
    error = make_wake(self, &poller->wake);
    if (error) {
        cedi_memory_free(poller);
        return error;
    }
    error = grow(poller) ? 0 : ERROR_NOT_ENOUGH_MEMORY;
    if (error == 0 && !cedi_win_fault(self, "thread"))
        poller->thread = (HANDLE)_beginthreadex(NULL, 0, watch, poller, 0, NULL);
    if (!poller->thread) {
        poller_free(poller);
        return error ? error : ERROR_MAX_THRDS_REACHED;
    }
    self->poller = poller;
    return 0;
}

void cedi_win_poll_close(win *self)
{
    win_poller *poller = self->poller;
    if (!poller)
        return;
    AcquireSRWLockExclusive(&poller->lock);
    poller->stopping = true;
    ReleaseSRWLockExclusive(&poller->lock);
    do {
        (void)wake(poller);
    } while (WaitForSingleObject(poller->thread, 100) == WAIT_TIMEOUT);
    (void)CloseHandle(poller->thread);
    poller_free(poller);
    self->poller = NULL;
}

/* ---- Polls ---------------------------------------------------------------------------------- */

static void over(win *self, win_io *io, uint32_t nothing, uint32_t none)
{
    uint64_t token = io->record.token;
    uint32_t error = io->error, events = io->bytes;
    (void)nothing;
    (void)none;
    cedi_win_io_free(self, io);
    cede_core_done(self->core, token, cedi_error_status(error), (int32_t)error, events);
}

/* It is told when the thread has let go of the socket. */
static int stop(win *self, win_io *io)
{
    win_poller *poller = self->poller;
    AcquireSRWLockExclusive(&poller->lock);
    for (uint32_t i = 0; i < poller->count; i++) {
        if (poller->entries[i].io == io)
            poller->entries[i].leaves = true;
    }
    ReleaseSRWLockExclusive(&poller->lock);
    return wake(poller) ? CEDE_CANCEL_AGAIN : CEDE_CANCEL_SENT;
}

static bool is_full(win_poller *poller)
{
    bool full;
    AcquireSRWLockExclusive(&poller->lock);
    full = poller->count == poller->room;
    ReleaseSRWLockExclusive(&poller->lock);
    return full;
}

static bool start_watching(win *self, const cede_work *work, SHORT events)
{
    win_poller *poller;
    win_io *io;
    uint32_t error = self->poller ? 0 : poller_open(self);
    if (error)
        return cedi_win_done_now(self, work, error, 0);
    poller = self->poller;
    if (is_full(poller) && !grow(poller))
        return false;
    io = cedi_win_io_new(self, work);
    if (!io)
        return false;
    io->over = over;
    io->stop = stop;
    AcquireSRWLockExclusive(&poller->lock);
    error = wake(poller); /* it looks when it has the lock */
    if (error == 0)
        poller->entries[poller->count++] =
            (entry){.io = io, .socket = (SOCKET)work->native, .events = events};
    ReleaseSRWLockExclusive(&poller->lock);
    if (error == 0)
        return true;
    cedi_win_io_free(self, io);
    return cedi_win_done_now(self, work, error, 0);
}

static void signalled(win *self, win_io *io, uint32_t nothing, uint32_t none)
{
    uint64_t token = io->record.token;
    uint32_t error = cedi_win_object_came(io);
    (void)nothing;
    (void)none;
    cedi_win_object_left(self, io);
    cede_core_done(self->core, token, cedi_error_status(error), (int32_t)error,
                   error ? 0 : CEDE_POLL_IN);
}

bool cedi_win_start_poll(win *self, const cede_work *work)
{
    const win_file *file = cedi_win_file_find(self, work->native);
    uint32_t events = work->args->range.flags, error;
    SHORT asked = wanted(events), found;
    if (!file)
        return cedi_win_done_now(self, work, ERROR_INVALID_HANDLE, 0);
    if (!file->socket && file->kind == CEDE_KIND_OBJECT)
        return events & CEDE_POLL_IN ? cedi_win_object_wait(self, work, signalled)
                                     : cedi_win_done_now(self, work, ERROR_INVALID_PARAMETER, 0);
    if (!file->socket)
        return cedi_win_done_now(self, work, ERROR_NOT_SUPPORTED, 0);
    error = look(self, (SOCKET)work->native, asked, &found);
    if (error == 0)
        events = held((SOCKET)work->native, found, asked);
    if (error || events)
        return cedi_win_done_now(self, work, error, error ? 0 : events);
    return start_watching(self, work, asked);
}
