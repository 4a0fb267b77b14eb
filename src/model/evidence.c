/* What kernel call chains say of the way of a fault. */
#include "model/evidence.h"

static const char *const agreement_names[AGREEMENT_N] = {
    [AGREEMENT_UNASKED] = "", [AGREEMENT_PENDING] = "pending", [AGREEMENT_NONE] = "none",
    [AGREEMENT_LOST] = "lost", [AGREES] = "agrees", [DISAGREES] = "disagrees",
};

const char *agreement_name(enum agreement agreement)
{
    return (unsigned)agreement < AGREEMENT_N ? agreement_names[agreement] : "";
}

const char *observed_name(uint32_t set)
{
    for (unsigned p = 0; p < PATH_N; p++)
        if (set == UINT32_C(1) << p)
            return path_name((enum path)p);
    return "do_fault";
}

bool observation_shows(const struct observation *o, enum path path)
{
    for (unsigned i = 0; i < o->count; i++)
        if (o->seen[i] == UINT32_C(1) << path)
            return true;
    return false;
}
