/*
 * Child processes: how they are begun, waited for and ended.
 *
 * A start blocks (it reads the program), so it is a thread's affair. What it needs of the loop is
 * taken in the call that starts it: duplicates of the three handles, which may be closed at once by
 * their owner, and the position of files that it uses. The child inherits those three and nothing
 * else, by a list; they can be inherited from just before the call until just after it.
 *
 * A file that was made for overlapped I/O is no use to a program that knows nothing of it: it is
 * opened anew, with the same rights, at the position that ours has. That is a position of its own,
 * so a file that is given twice, as output and as error, is opened anew once.
 *
 * Threads: cedi_win_do_spawn is a pool thread's, the rest is the loop's.
 */
#include "command.h"
#include "net.h"

#include "cede/system.h"

#define AS_THE_SYSTEM_HAS_IT UINT64_MAX /* what this loop has not used has its position there */

struct win_spawn {
    HANDLE stdio[3];      /* ours; NULL: the null device */
    HANDLE from[3];       /* what they are duplicates of; to be compared, only */
    uint64_t position[3]; /* of files */
};

/* ---- Taken in the call ---------------------------------------------------------------------- */

static uint32_t duplicate(const win *self, HANDLE from, HANDLE *out)
{
    HANDLE here = GetCurrentProcess();
    uint32_t error = cedi_win_fault(self, "DuplicateHandle");
    if (error == 0 && !DuplicateHandle(here, from, here, out, 0, FALSE, DUPLICATE_SAME_ACCESS))
        error = GetLastError();
    if (error)
        *out = NULL;
    return error;
}

static HANDLE inherited(uint32_t which)
{
    static const DWORD names[3] = {STD_INPUT_HANDLE, STD_OUTPUT_HANDLE, STD_ERROR_HANDLE};
    HANDLE handle = GetStdHandle(names[which]);
    return handle == INVALID_HANDLE_VALUE ? NULL : handle;
}

static uint32_t take(const win *self, const cede_spawn *how, uint32_t which,
                     struct win_spawn *spawn)
{
    const win_file *file;
    HANDLE from = NULL;
    uint32_t error;
    if (how->stdio[which]) {
        intptr_t native = cede_core_native(self->core, how->stdio[which]);
        if (native == -1)
            return ERROR_INVALID_HANDLE;
        if (cedi_win_is_local(native))
            return ERROR_INVALID_PARAMETER;
        from = (HANDLE)native;
    } else if (how->flags & (CEDE_SPAWN_INHERIT_INPUT << which)) {
        from = inherited(which);
    }
    spawn->from[which] = from;
    file = cedi_win_file_find(self, (intptr_t)from);
    spawn->position[which] = file ? file->position : AS_THE_SYSTEM_HAS_IT;
    error = from ? duplicate(self, from, &spawn->stdio[which]) : 0;
    if (error == ERROR_INVALID_HANDLE && !how->stdio[which])
        return 0; /* ours is set, and closed: as good as none */
    return error;
}

void cedi_win_spawn_free(struct win_spawn *spawn)
{
    for (uint32_t i = 0; i < 3; i++) {
        if (spawn->stdio[i])
            (void)CloseHandle(spawn->stdio[i]);
    }
    cedi_memory_free(spawn);
}

bool cedi_win_start_spawn(win *self, const cede_work *work)
{
    struct win_spawn *spawn = cedi_memory_get(sizeof *spawn);
    uint32_t error = spawn ? 0 : ERROR_NOT_ENOUGH_MEMORY;
    for (uint32_t i = 0; i < 3 && error == 0; i++)
        error = take(self, work->args->spawn.how, i, spawn);
    if (error) {
        if (spawn)
            cedi_win_spawn_free(spawn);
        return cedi_win_done_now(self, work, error, 0);
    }
    return cedi_win_spawn_to_pool(self, work, spawn);
}

/* ---- On a thread ---------------------------------------------------------------------------- */

static uint32_t open_null(const win *self, HANDLE *out)
{
    return cedi_win_create_file(self, L"NUL", GENERIC_READ | GENERIC_WRITE, OPEN_EXISTING, 0, out);
}

static uint32_t access_of(HANDLE handle)
{
    const cedi_nt *nt = cedi_win_nt();
    cedi_nt_status_block block = {0};
    unsigned long access = 0;
    if (!nt->query_file ||
        nt->query_file(handle, &block, &access, sizeof access, CEDI_NT_ACCESS) < 0)
        return GENERIC_READ | GENERIC_WRITE;
    return access;
}

static uint32_t reopen(const struct win_spawn *spawn, uint32_t which, HANDLE *out)
{
    HANDLE handle = spawn->stdio[which];
    LARGE_INTEGER at = {0};
    if (spawn->position[which] != AS_THE_SYSTEM_HAS_IT)
        at.QuadPart = (LONGLONG)spawn->position[which];
    else if (!SetFilePointerEx(handle, at, &at, FILE_CURRENT))
        at.QuadPart = 0;
    *out = ReOpenFile(handle, access_of(handle), WIN_SHARE_ALL, 0);
    if (*out == INVALID_HANDLE_VALUE)
        return GetLastError();
    (void)SetFilePointerEx(*out, at, NULL, FILE_BEGIN);
    return 0;
}

/* Only what has positions needs it: elsewhere the system waits for a transfer by itself. What was
 * the same here shares its position there, as its duplicate. */
static uint32_t make_plain(const win *self, struct win_spawn *spawn, uint32_t which)
{
    HANDLE *handle = &spawn->stdio[which], plain;
    uint32_t first = 0, error;
    if (GetFileType(*handle) != FILE_TYPE_DISK || cedi_win_is_synchronous(*handle))
        return 0;
    while (spawn->from[first] != spawn->from[which])
        first++;
    error =
        first < which ? duplicate(self, spawn->stdio[first], &plain) : reopen(spawn, which, &plain);
    if (error)
        return error;
    (void)CloseHandle(*handle);
    *handle = plain;
    return 0;
}

static uint32_t prepare(const win *self, struct win_spawn *spawn)
{
    uint32_t error = 0;
    for (uint32_t i = 0; i < 3 && error == 0; i++) {
        if (!spawn->stdio[i]) {
            error = open_null(self, &spawn->stdio[i]);
            if (error)
                spawn->stdio[i] = NULL;
        } else {
            error = make_plain(self, spawn, i);
        }
        if (error == 0 &&
            !SetHandleInformation(spawn->stdio[i], HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT))
            error = GetLastError();
    }
    return error;
}

static uint32_t begin(win_job *job, win_command *command)
{
    cede_win32_process process = {.program = command->program,
                                  .line = command->line,
                                  .environment = command->environment,
                                  .directory = command->has_directory ? command->directory : NULL};
    uint32_t error = prepare(job->self, job->spawn);
    if (error == 0)
        error = cedi_win_fault(job->self, "CreateProcessW");
    for (uint32_t i = 0; i < 3; i++)
        process.stdio[i] = job->spawn->stdio[i];
    process.new_group = (job->args.spawn.how->flags & CEDE_SPAWN_GROUP) != 0;
    if (error == 0)
        error = job->self->calls.create_process(&process);
    if (error)
        return error;
    job->count = (uint64_t)(uintptr_t)process.process;
    job->id = process.id;
    return 0;
}

/* What our ends are duplicates of must not stay open: the other end of a pipe would not be seen. */
uint32_t cedi_win_do_spawn(win_job *job)
{
    win_command *command = cedi_memory_get(sizeof *command);
    uint32_t error;
    if (!command)
        return ERROR_NOT_ENOUGH_MEMORY;
    error = cedi_win_command(command, job->args.spawn.how);
    if (error == 0)
        error = begin(job, command);
    cedi_win_command_free(command);
    cedi_win_spawn_free(job->spawn);
    job->spawn = NULL;
    return error;
}

/* ---- The wait ------------------------------------------------------------------------------- */

/* By duplicates: the child's own handle may be closed meanwhile. */
static void ended(win *self, win_io *io, uint32_t nothing, uint32_t none)
{
    uint64_t token = io->record.token;
    uint32_t error = cedi_win_object_came(io);
    DWORD code = 0;
    (void)nothing;
    (void)none;
    if (error == 0 && !GetExitCodeProcess((HANDLE)io->owner, &code))
        error = GetLastError();
    cedi_win_object_left(self, io);
    cede_core_done(self->core, token, cedi_error_status(error), (int32_t)error, code);
}

bool cedi_win_start_child_wait(win *self, const cede_work *work)
{
    return cedi_win_object_wait(self, work, ended);
}

/* ---- The end -------------------------------------------------------------------------------- */

/* One that is ending, or has, may not be ended. */
static bool has_ended(HANDLE child)
{
    DWORD code = STILL_ACTIVE;
    return WaitForSingleObject(child, 0) == WAIT_OBJECT_0 ||
           (GetExitCodeProcess(child, &code) && code != STILL_ACTIVE);
}

bool cedi_win_start_child_kill(win *self, const cede_work *work)
{
    HANDLE child = (HANDLE)work->native;
    uint32_t error = cedi_win_fault(self, "TerminateProcess");
    if (error == 0 && !TerminateProcess(child, 1) && !has_ended(child))
        error = GetLastError();
    return cedi_win_done_now(self, work, error, 0);
}
