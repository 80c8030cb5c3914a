/*
 * The system's headers as this folder uses them, and the few definitions that older ones lack.
 * Stateless.
 */
#ifndef CEDE_WIN32_SYSTEM_H
#define CEDE_WIN32_SYSTEM_H

#ifndef _WIN32_WINNT
#define _WIN32_WINNT 0x0602
#endif
#ifndef WIN32_LEAN_AND_MEAN
#define WIN32_LEAN_AND_MEAN
#endif
#ifndef NOMINMAX
#define NOMINMAX
#endif
#include <winsock2.h>
#include <windows.h>
#include <winioctl.h>

/* Classes of SetFileInformationByHandle that came with Windows 10, by number: their names hang on
 * the header's version. */
#define SYSTEM_DISPOSITION_INFO_EX 21
#define SYSTEM_RENAME_INFO_EX      22

#define SYSTEM_DELETE           0x01u /* flags of the first */
#define SYSTEM_DELETE_POSIX     0x02u
#define SYSTEM_DELETE_READ_ONLY 0x10u
#define SYSTEM_RENAME_REPLACE   0x01u /* flags of the second */
#define SYSTEM_RENAME_POSIX     0x02u
#define SYSTEM_RENAME_READ_ONLY 0x40u /* over what is, Windows 10, 1809 */

#ifndef CREATE_WAITABLE_TIMER_HIGH_RESOLUTION
#define CREATE_WAITABLE_TIMER_HIGH_RESOLUTION 0x00000002
#endif
#ifndef SYMBOLIC_LINK_FLAG_ALLOW_UNPRIVILEGED_CREATE
#define SYMBOLIC_LINK_FLAG_ALLOW_UNPRIVILEGED_CREATE 0x2
#endif
#ifndef IO_REPARSE_TAG_SYMLINK
#define IO_REPARSE_TAG_SYMLINK 0xA000000CL
#endif
#ifndef IO_REPARSE_TAG_MOUNT_POINT
#define IO_REPARSE_TAG_MOUNT_POINT 0xA0000003L
#endif

/* NTSTATUS values that OVERLAPPED.Internal may hold. */
#define SYSTEM_STATUS_SUCCESS   ((ULONG_PTR)0x00000000)
#define SYSTEM_STATUS_PENDING   ((ULONG_PTR)0x00000103)
#define SYSTEM_STATUS_CANCELLED ((ULONG_PTR)0xC0000120)
#define SYSTEM_STATUS_DELETING  ((ULONG_PTR)0xC0000056) /* STATUS_DELETE_PENDING */

#endif
