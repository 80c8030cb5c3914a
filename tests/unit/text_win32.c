/* Names in Windows' units and as ours, src/win32/text.c: each has one form, and comes back the
 * same; what is none is refused. */
#include "../../src/win32/text.c"

#include <string.h>

#include "unit.h"

#define MOST 40u

static void there_and_back(const wchar_t *units, size_t count, const char *bytes)
{
    char out[3 * MOST + 1];
    wchar_t back[MOST + 1];
    size_t made = cedi_win_utf8(out, sizeof out - 1, units, count);
    REQUIRE(made > 0, "%zu units", count);
    out[made] = 0;
    REQUIRE(!bytes || strcmp(out, bytes) == 0, "%s", bytes);
    REQUIRE(cedi_win_utf8(out, made, units, count) == made, "it fits exactly");
    REQUIRE(cedi_win_utf8(out, made - 1, units, count) == 0, "it does not fit");
    REQUIRE(cedi_win_text(back, MOST + 1, out) == 0, "%s", out);
    REQUIRE(wcslen(back) == count && memcmp(back, units, count * 2) == 0, "%s", out);
    REQUIRE(cedi_win_text(back, (uint32_t)count + 1, out) == 0, "it fits exactly");
    REQUIRE(cedi_win_text(back, (uint32_t)count, out) == ERROR_FILENAME_EXCED_RANGE, "%zu", count);
}

static void known(void)
{
    there_and_back(L"a\x7f", 2, "a\x7f");
    there_and_back(L"\x80\x7ff", 2, "\xc2\x80\xdf\xbf");
    there_and_back(L"\x800\xd7ff\xe000\xffff", 4,
                   "\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf");
    there_and_back(L"\xd800\xdc00\xdbff\xdfff", 4, "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf");
    there_and_back(L"\xd800", 1, "\xed\xa0\x80");
    there_and_back(L"\xdfff\xdbff", 2, "\xed\xbf\xbf\xed\xaf\xbf");
    there_and_back(L"\xd83d\xd83d\xde00", 3, "\xed\xa0\xbd\xf0\x9f\x98\x80");
}

static void refused(void)
{
    static const char *const wrong[] = {
        "\x80",
        "a\xff",
        "\xc0\x80",
        "\xc1\xbf",
        "\xc3",
        "\xc3g",
        "\xe0\x9f\xbf",
        "\xe2\x82",
        "\xe2\x82g",
        "\xf0\x8f\xbf\xbf",
        "\xf0\x9f\x98",
        "\xf4\x90\x80\x80",
        "\xf8\x88\x80\x80\x80",
        "\xed\xa0\xbd\xed\xb8\x80",
    };
    wchar_t out[MOST];
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        REQUIRE(cedi_win_text(out, MOST, wrong[i]) == ERROR_NO_UNICODE_TRANSLATION, "row %zu", i);
    REQUIRE(cedi_win_text(out, MOST, "") == ERROR_FILE_NOT_FOUND, "empty");
}

/* What the system makes of what is well formed. */
static void as_the_system(const wchar_t *units, size_t count)
{
    char theirs[3 * MOST], ours[3 * MOST];
    int made = WideCharToMultiByte(CP_UTF8, WC_ERR_INVALID_CHARS, units, (int)count, theirs,
                                   (int)sizeof theirs, NULL, NULL);
    if (made > 0) {
        REQUIRE(cedi_win_utf8(ours, sizeof ours, units, count) == (size_t)made, "as long");
        REQUIRE(memcmp(ours, theirs, (size_t)made) == 0, "and the same");
    }
}

int main(int argc, char **argv)
{
    uint64_t seed = unit_seed(argc, argv);
    known();
    refused();
    for (uint32_t i = 0; i < 100000; i++) {
        wchar_t units[MOST];
        size_t count = (size_t)unit_below(&seed, MOST) + 1;
        uint64_t kind = unit_below(&seed, 3);
        for (size_t at = 0; at < count; at++) {
            uint64_t some = unit_random(&seed);
            units[at] = (wchar_t)(kind == 0   ? some % 0xffff + 1
                                  : kind == 1 ? 0xd700 + some % 0xa00
                                              : some % 0x900 + 1);
        }
        there_and_back(units, count, NULL);
        as_the_system(units, count);
    }
    return 0;
}
