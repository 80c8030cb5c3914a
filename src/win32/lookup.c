/*
 * Look-ups of hosts.
 *
 * The system is asked by GetAddrInfoExW, which answers on a thread of its own (Windows 8), or else
 * by a thread that blocks in GetAddrInfoW. Neither can be made to end at once: a cancel of the
 * first leaves what is under way under way, and nothing stops the second. So whoever asks and who
 * answers share a question that belongs to both, and to no loop: a cancel takes the loop out of it,
 * and the answer, when it comes, is heard by nobody. A loop closes without it.
 *
 * Threads: a question's fields are the asker's thread's until it is asked, and the answerer's from
 * there; `self` is under its lock. Who answers tells the loop while he holds its `visits`, which
 * close waits for.
 */
#include "net.h"

#include <process.h>
#include <string.h>

#define NAME_UNITS   256u
#define THREADS_MOST 64u /* of all loops that wait in GetAddrInfoW; beyond it, they take turns */

typedef struct win_question {
    OVERLAPPED overlapped; /* first: the system names it */
    SRWLOCK lock;
    win *self; /* who waits for it; NULL: nobody */
    bool answered;
    win_io *io; /* who waits, to be told */
    _Atomic uint32_t holders;
    bool in_system; /* asked by GetAddrInfoExW */
    HANDLE name;    /* that one's, for its cancel */
    uint32_t error;
    ADDRINFOEXW *found_ex;
    ADDRINFOW *found;
    int family;
    uint32_t (*ask)(const wchar_t *, int family, void **found);
    wchar_t host[NAME_UNITS];
} win_question;

static _Atomic uint32_t threads;

/* ---- Its life ------------------------------------------------------------------------------- */

static void let_go(win_question *question)
{
    if (atomic_fetch_sub(&question->holders, 1) > 1 || CEDI_FAULT(LEFT_LOOKUP_LEAKS))
        return;
    if (question->found_ex)
        FreeAddrInfoExW(question->found_ex);
    if (question->found)
        FreeAddrInfoW(question->found);
    cedi_memory_free(question);
}

/* On the thread that has the answer. */
static void answer(win_question *question, uint32_t error)
{
    win *self;
    AcquireSRWLockExclusive(&question->lock);
    self = question->self;
    question->error = error;
    question->answered = true;
    if (self)
        AcquireSRWLockShared(&self->visits);
    ReleaseSRWLockExclusive(&question->lock);
    if (self) {
        cedi_win_event_tell(question->io);
        ReleaseSRWLockShared(&self->visits);
    }
    let_go(question);
}

static void CALLBACK answered(DWORD error, DWORD bytes, LPOVERLAPPED overlapped)
{
    (void)bytes;
    answer((win_question *)(void *)overlapped, error);
}

static unsigned __stdcall ask_and_wait(void *context)
{
    win_question *question = context;
    void *found = NULL;
    uint32_t error = question->ask(question->host, question->family, &found);
    question->found = found;
    answer(question, error);
    atomic_fetch_sub(&threads, 1);
    return 0;
}

/* What may run when the loop and all its program's use of this module are over stays. */
static BOOL CALLBACK stay(INIT_ONCE *once, void *parameter, void **context)
{
    HMODULE module;
    (void)once;
    (void)parameter;
    (void)context;
    (void)GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_PIN | GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS,
                             (const wchar_t *)(const void *)&threads, &module);
    return TRUE;
}

/* ---- The answer, on the loop's thread ------------------------------------------------------- */

static void take(win_name *name, const struct sockaddr *from, size_t bytes)
{
    memset(name, 0, sizeof *name);
    memcpy(name, from, bytes < sizeof *name ? bytes : sizeof *name);
}

static void tell_one(const struct sockaddr *name, size_t bytes, cede_args *args, uint64_t *count)
{
    cede_address *out = args->path.out;
    win_name whole;
    if (name->sa_family != AF_INET && name->sa_family != AF_INET6)
        return;
    if (*count < args->path.length_bytes) {
        take(&whole, name, bytes);
        cedi_win_name_from_system(&whole, (int)bytes, &out[*count]);
        out[*count].port = (uint16_t)args->path.mode;
    }
    ++*count;
}

static uint64_t tell(win *self, const win_question *question, const win_io *io)
{
    uint64_t count = 0;
    cede_args *args = io->buffer;
    cede_core_touch(self->core, io->record.token, true);
    for (const ADDRINFOEXW *at = question->found_ex; at;
         at = (const ADDRINFOEXW *)(const void *)at->ai_next)
        tell_one(at->ai_addr, at->ai_addrlen, args, &count);
    for (const ADDRINFOW *at = question->found; at; at = at->ai_next)
        tell_one(at->ai_addr, at->ai_addrlen, args, &count);
    cede_core_touch(self->core, io->record.token, false);
    return count;
}

static void heard(win *self, win_io *io, uint32_t nothing, uint32_t bytes)
{
    win_question *question = io->owner;
    uint64_t token = io->record.token, count = 0;
    uint32_t error = question->error;
    (void)nothing;
    (void)bytes;
    if (error == 0)
        count = tell(self, question, io);
    if (error == 0 && count == 0)
        error = WSANO_DATA;
    cedi_win_io_free(self, io);
    let_go(question);
    cede_core_done(self->core, token, cedi_error_status(error), (int32_t)error, count);
}

/* ---- Asking --------------------------------------------------------------------------------- */

static win_question *make(const win *self, const cede_args *args, uint32_t *error)
{
    win_question *question = cedi_memory_get(sizeof *question);
    uint32_t flags = args->path.flags;
    *error = 0;
    if (!question)
        return NULL;
    InitializeSRWLock(&question->lock);
    question->ask = self->calls.get_addresses;
    question->family = flags == CEDE_LOOKUP_IPV4   ? AF_INET
                       : flags == CEDE_LOOKUP_IPV6 ? AF_INET6
                                                   : AF_UNSPEC;
    atomic_store(&question->holders, 2);
    if (MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, args->path.path, -1, question->host,
                            NAME_UNITS) <= 1)
        *error = WSAHOST_NOT_FOUND; /* what is no text is no name */
    return question;
}

/* The loop hears no more of it. False: its answer is on its way home. */
static bool leave(win_question *question)
{
    bool left;
    AcquireSRWLockExclusive(&question->lock);
    left = !question->answered && !CEDI_FAULT(LOOKUP_IS_AWAITED);
    if (left && !CEDI_FAULT(LEFT_ANSWER_IS_TOLD))
        question->self = NULL;
    ReleaseSRWLockExclusive(&question->lock);
    return left;
}

static int stop(win *self, win_io *io)
{
    win_question *question = io->owner;
    uint64_t token = io->record.token;
    if (!leave(question))
        return CEDE_CANCEL_SENT;
    if (question->in_system)
        self->calls.look_up_cancel(&question->name); /* as far as it goes */
    let_go(question);
    cedi_win_io_free(self, io);
    cede_core_done(self->core, token, CEDE_ECANCELED, WSA_E_CANCELLED, 0);
    return CEDE_CANCEL_SENT;
}

/* 0: it will be answered. */
static uint32_t ask_system(const win *self, win_question *question)
{
    uint32_t error = cedi_win_fault(self, "GetAddrInfoExW");
    question->in_system = true;
    if (error == 0)
        error =
            self->calls.look_up(question->host, question->family, (void **)&question->found_ex,
                                &question->overlapped, (void (*)(void))answered, &question->name);
    if (error == WSA_IO_PENDING)
        return 0;
    answer(question, error); /* it was known */
    return 0;
}

static uint32_t ask_thread(const win *self, win_question *question)
{
    HANDLE thread = NULL;
    if (atomic_fetch_add(&threads, 1) < THREADS_MOST && !cedi_win_fault(self, "thread"))
        thread = (HANDLE)_beginthreadex(NULL, 0, ask_and_wait, question, 0, NULL);
    if (thread) {
        (void)CloseHandle(thread);
        return 0;
    }
    atomic_fetch_sub(&threads, 1);
    return ERROR_MAX_THRDS_REACHED;
}

static bool give_up(win *self, const cede_work *work, win_io *io, win_question *question,
                    cede_status status, uint32_t error)
{
    atomic_store(&question->holders, 1);
    let_go(question);
    if (io)
        cedi_win_io_free(self, io);
    cede_core_done(self->core, work->token, status, (int32_t)error, 0);
    return true;
}

bool cedi_win_start_lookup(win *self, const cede_work *work)
{
    static INIT_ONCE once = INIT_ONCE_STATIC_INIT;
    uint32_t error;
    win_question *question = make(self, work->args, &error);
    win_io *io;
    if (!question)
        return cedi_win_done_now(self, work, ERROR_NOT_ENOUGH_MEMORY, 0);
    if (error)
        return give_up(self, work, NULL, question, cedi_error_status(error), error);
    io = cedi_win_io_new(self, work);
    if (!io)
        return give_up(self, work, NULL, question, CEDE_ENOMEM, ERROR_NOT_ENOUGH_MEMORY);
    (void)InitOnceExecuteOnce(&once, stay, NULL, NULL);
    io->buffer = work->args;
    io->owner = question;
    io->over = heard;
    io->stop = stop;
    question->io = io;
    question->self = self;
    if (self->config.without & CEDE_WIN32_NO_LOOKUP)
        error = ask_thread(self, question);
    else
        error = ask_system(self, question);
    if (error)
        return give_up(self, work, io, question, CEDE_REPORT_PARK, error);
    return true;
}
