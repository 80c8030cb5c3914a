/*
 * Descriptors of the library's own. None of them is a standard one, even where a program runs with
 * those closed: a child that inherits them, or an import of one of them, would have it. Any thread.
 */
#ifndef CEDE_POSIX_OWN_FD_H
#define CEDE_POSIX_OWN_FD_H

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* One that was just made, or -1 with errno set; returns it, or the one in its place. Where there is
 * no other it stays as it is. */
static inline int cedi_own_fd(int fd)
{
    int above;
    if (fd < 0 || fd > STDERR_FILENO)
        return fd;
    above = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (above < 0)
        return fd;
    (void)close(fd);
    return above;
}

/* close(2), on a thread that is not the loop's. ThreadSanitizer sees neither what a ring opens nor
 * what it closes, so that by the C library's name it would take the next descriptor of a number for
 * the one before it, and two threads that had one each for a race. */
static inline int cedi_close_elsewhere(int fd)
{
    return (int)syscall(SYS_close, fd);
}

#endif
