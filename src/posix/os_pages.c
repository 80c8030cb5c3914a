/*
 * The pages of src/core/os.h on POSIX, in checked builds.
 *
 * The handler takes SIGSEGV and SIGBUS, which some systems send for pages without access, and lets
 * whoever had them before have them: a program's handler is called with what the kernel told; where
 * there was none, the default is put back and the access is made again, so that the process dies
 * where it would have died, and a debugger or a core file shows that line.
 */
#include "../core/os.h"

#ifdef CEDI_CHECKED

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

size_t cede_os_page_bytes(void)
{
    long bytes = sysconf(_SC_PAGESIZE);
    return bytes > 0 ? (size_t)bytes : 4096;
}

void *cede_os_pages_reserve(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

bool cede_os_pages_commit(void *memory, size_t bytes)
{
    return mprotect(memory, bytes, PROT_READ | PROT_WRITE) == 0;
}

void cede_os_pages_decommit(void *memory, size_t bytes)
{
    (void)madvise(memory, bytes, MADV_DONTNEED);
    (void)mprotect(memory, bytes, PROT_NONE);
}

bool cede_os_pages_protect(void *memory, size_t bytes, int access)
{
    static const int protections[] = {PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE};
    return mprotect(memory, bytes, protections[access]) == 0;
}

static void (*fault)(uintptr_t);
static struct sigaction before_segv, before_bus;

static void on_signal(int number, siginfo_t *info, void *context)
{
    const struct sigaction *before = number == SIGBUS ? &before_bus : &before_segv;
    bool sent = info->si_code <= 0; /* by a process, not for an access */
    int kept = errno;
    if (!sent)
        fault((uintptr_t)info->si_addr);
    errno = kept;
    if (before->sa_flags & SA_SIGINFO) {
        before->sa_sigaction(number, info, context);
    } else if (before->sa_handler != SIG_DFL && before->sa_handler != SIG_IGN) {
        before->sa_handler(number);
    } else if (!sent || before->sa_handler == SIG_DFL) {
        (void)sigaction(number, before, NULL);
        if (sent)
            (void)raise(number); /* comes when this handler has returned */
    }
}

static void take_over(int number, struct sigaction *before)
{
    struct sigaction ours;
    if (sigaction(number, NULL, before) != 0)
        return;
    ours = *before;
    ours.sa_flags = SA_SIGINFO | SA_ONSTACK | (before->sa_flags & (SA_NODEFER | SA_RESTART));
    ours.sa_sigaction = on_signal;
    (void)sigaction(number, &ours, NULL);
}

void cede_os_on_fault(void (*fn)(uintptr_t address))
{
    fault = fn;
    take_over(SIGSEGV, &before_segv);
    take_over(SIGBUS, &before_bus);
}

#endif
