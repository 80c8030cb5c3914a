/*
 * What kind of build this is. Included by os.h, so that the systems' parts know it too.
 *
 *     CEDI_WITH_ASAN  AddressSanitizer looks at every access
 *     CEDI_CHECKED    what is ceded is watched (law 5): under AddressSanitizer, or by CEDE_CHECKED
 */
#ifndef CEDE_CHECKED_BUILD_H
#define CEDE_CHECKED_BUILD_H

#if defined(__SANITIZE_ADDRESS__)
#define CEDI_WITH_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CEDI_WITH_ASAN 1
#endif
#endif

#if defined(CEDI_WITH_ASAN) || (defined(CEDE_CHECKED) && CEDE_CHECKED)
#define CEDI_CHECKED 1
#endif

#endif
