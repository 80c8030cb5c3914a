/*
 * Linked to the tests' programs where coverage is counted: misuse ends a program by abort(), many a
 * child by _exit(), and what they had reached until then shall count, too.
 */
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

extern void __gcov_dump(void);

static void dump(int number)
{
    __gcov_dump();
    (void)signal(number, SIG_DFL);
    (void)raise(number);
}

__attribute__((constructor)) static void install(void)
{
    (void)signal(SIGABRT, dump);
}

_Noreturn void _exit(int code)
{
    __gcov_dump();
    for (;;)
        (void)syscall(SYS_exit_group, code);
}

_Noreturn void _Exit(int code)
{
    _exit(code);
}
