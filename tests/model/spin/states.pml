/*
 * The states of a request and the steps between them: the table of docs/ownership.md, which a test
 * compares with the steps that were made here. N is how many slots there are.
 */

#define IDLE 0
#define CEDED 1
#define HELD 2
#define STAGED 3
#define INFLIGHT 4
#define CANCELLING 5
#define READY 6

c_decl {
    static unsigned moves[7];
    static void tell_moves(void)
    {
        static int told;
        static const char *const names[7] = {"IDLE",     "CEDED",      "HELD", "STAGED",
                                             "INFLIGHT", "CANCELLING", "READY"};
        unsigned from, to;
        if (told++)
            return;
        for (from = 0; from < 7; from++)
            for (to = 0; to < 7; to++)
                if (moves[from] >> to & 1)
                    printf("moves %s %s\n", names[from], names[to]);
    }
}

byte m_from, m_to;
byte state[N];

#define LEADS(from, to) ( \
    (from == IDLE && (to == CEDED || to == HELD || to == STAGED || to == READY)) || \
    (from == CEDED && (to == HELD || to == STAGED || to == READY)) || \
    (from == HELD && (to == STAGED || to == READY)) || \
    (from == STAGED && (to == INFLIGHT || to == READY)) || \
    (from == INFLIGHT && (to == STAGED || to == HELD || to == CANCELLING || to == READY)) || \
    (from == CANCELLING && to == READY) || (from == READY && to == IDLE))

inline move(i, to)
{
    m_from = state[i];
    m_to = to;
    assert(LEADS(m_from, m_to));
    c_code { moves[now.m_from] |= 1u << now.m_to; };
    state[i] = m_to;
    m_from = 0;
    m_to = 0
}
