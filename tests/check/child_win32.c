/* See child.h. The output's carriage returns are left out. */
#include "child.h"

#include "../port.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

static void must(bool condition, const char *what)
{
    if (!condition) {
        fprintf(stderr, "cede_check: %s: error %lu\n", what, GetLastError());
        exit(2);
    }
}

/* Each argument in quotation marks; they contain none. */
static void write_line(char *out, size_t bytes, char *const *arguments)
{
    size_t at = 0;
    for (; *arguments && at < bytes; arguments++)
        at += (size_t)snprintf(out + at, bytes - at, "\"%s\" ", *arguments);
    must(at < bytes, "the command line is too long");
}

struct killer {
    HANDLE child;
    DWORD limit_ms;
    bool hung;
};

static DWORD WINAPI kill_when_late(void *context)
{
    struct killer *killer = context;
    if (WaitForSingleObject(killer->child, killer->limit_ms) == WAIT_TIMEOUT) {
        killer->hung = true;
        TerminateProcess(killer->child, 1);
    }
    return 0;
}

static void collect(child_end *end, HANDLE from)
{
    DWORD got;
    char byte[4096];
    while (ReadFile(from, byte, sizeof byte, &got, NULL) && got > 0) {
        for (DWORD i = 0; i < got && end->bytes < CHILD_OUTPUT_MOST - 1; i++) {
            if (byte[i] != '\r')
                end->output[end->bytes++] = byte[i];
        }
    }
}

void child_run(child_end *end, char *const *arguments, unsigned limit_seconds)
{
    SECURITY_ATTRIBUTES inherited = {sizeof inherited, NULL, TRUE};
    STARTUPINFOA how;
    PROCESS_INFORMATION child;
    HANDLE from, to;
    char line[4096];
    DWORD code = 1;
    write_line(line, sizeof line, arguments);
    must(CreatePipe(&from, &to, &inherited, 0), "no pipe");
    must(SetHandleInformation(from, HANDLE_FLAG_INHERIT, 0), "no pipe");
    memset(&how, 0, sizeof how);
    how.cb = sizeof how;
    how.dwFlags = STARTF_USESTDHANDLES;
    how.hStdOutput = how.hStdError = to;
    (void)SetErrorMode(SEM_FAILCRITICALERRORS | SEM_NOGPFAULTERRORBOX); /* the child's too */
    must(port_start_program(NULL, line, true, &how, &child), arguments[0]);
    CloseHandle(child.hThread);
    CloseHandle(to);
    struct killer killer = {child.hProcess, limit_seconds * 1000, false};
    HANDLE thread = CreateThread(NULL, 0, kill_when_late, &killer, 0, NULL);
    must(thread != NULL, "no thread");
    collect(end, from);
    WaitForSingleObject(thread, INFINITE);
    GetExitCodeProcess(child.hProcess, &code);
    end->hung = killer.hung;
    end->code = killer.hung ? -1 : (int)code;
    end->faulted = code == EXCEPTION_ACCESS_VIOLATION;
    CloseHandle(thread);
    CloseHandle(from);
    CloseHandle(child.hProcess);
}
