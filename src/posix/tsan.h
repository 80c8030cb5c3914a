/* CEDE_WITH_TSAN: compiled with ThreadSanitizer, which gcc and clang say in ways of their own. */
#ifndef CEDE_POSIX_TSAN_H
#define CEDE_POSIX_TSAN_H

#if defined(__SANITIZE_THREAD__)
#define CEDE_WITH_TSAN
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define CEDE_WITH_TSAN
#endif
#endif

#endif
