/* Field values: readings asked for by number. The numbers are each driver's own: some changed their meaning between drivers.
 *
 * nvml.h of the branches 535 to 595 says which number means what, and the table holds it for the version this library is. A
 * number this version does not know is INVALID_ARGUMENT, one that the board has nothing for is NOT_SUPPORTED.
 *
 * Keys beside those of the other files: `violation.N` (ns), `temp.memory`, `temp.tlimit.0` to `.3` (C, relative), `power.instant`
 * (mW; else `power`), `reason.sw_thermal`, `reason.hw_thermal`, `reason.hw_power_brake` (ns), `recovery`, `nvlink.switches`
 * (links that end at a switch), `pcie.l0recovery`, `pcie.err.ID`, `pcie.lane.N` (errors), `smoothing.N` and `balancing.N` (of
 * power), `remap.inactive.0` and `.1`, `bank.0` to `.4`; of each link: `speed` (MB/s), `count.ID`, `power`; of the links to the
 * CPU: `c2c.count`, and for each or (`c2c.*.`) all `status`, `speed` (MB/s), `err0` to `err2`, `power`. */
#define _GNU_SOURCE
#include <stdio.h>

#include "getters.h"
#include "links.h"
#include "memory.h"

API Code nvmlDeviceGetFieldValues(Device device, int count, FieldValue *values);

/* CUDA 12.9's and 13.0's headers put the event reasons' times in front of power smoothing; 580.82 took them back out. */
#define SHIFTED (SINCE(575, 51) && !SINCE(580, 82))

typedef enum { NUMBER, WOBBLING, ENERGY, ECC, LINK, ONE_LINK, INSTANT, LANE, C2C } Source;

/* Power may be asked of the GPU (0), its module or its memory; the lab knows the GPU's alone. */
enum { FIRST_POWER = 185, LAST_POWER = 192, POWER_OF_GPU = 0 };

/* Numbers `first` to `last` read `key`. It may hold %u: the number less `base`. */
typedef struct {
    unsigned first, last;
    Kind kind;
    Source source;
    const char *key;
    unsigned base;
} Field;

static const Field fields[] = {
    {1, 1, UNSIGNED, NUMBER, "ecc.mode", 0},
    {2, 2, UNSIGNED, NUMBER, "ecc.pending", 0},
    {3, 6, UNSIGNED_LONG_LONG, ECC, "", 3},
    {11, 11, UNSIGNED_LONG_LONG, NUMBER, "ecc.0.0.2", 0},
    {12, 12, UNSIGNED_LONG_LONG, NUMBER, "ecc.1.0.2", 0},
    {22, 22, UNSIGNED_LONG_LONG, NUMBER, "ecc.0.1.2", 0},
    {23, 23, UNSIGNED_LONG_LONG, NUMBER, "ecc.1.1.2", 0},
    {31, 31, UNSIGNED, NUMBER, "retired.pending", 0},
    {74, 79, UNSIGNED_LONG_LONG, NUMBER, "violation.%u", 74},
    {80, 81, UNSIGNED_LONG_LONG, NUMBER, "violation.%u", 70}, /* NVML_PERF_POLICY_TOTAL_APP_CLOCKS is 10 */
    {82, 82, UNSIGNED, WOBBLING, "temp.memory", 0},
    {83, 83, UNSIGNED_LONG_LONG, ENERGY, "", 0},
    {84, 89, UNSIGNED, ONE_LINK, "speed", 84},
    {90, 90, UNSIGNED, ONE_LINK, "speed", 90},
    {91, 91, UNSIGNED, NUMBER, "nvlink.count", 0},
    {94, 94, UNSIGNED, NUMBER, "pcie.replay", 0},
    {95, 95, UNSIGNED, NUMBER, "pcie.rollover", 0},
    {132, 137, UNSIGNED, ONE_LINK, "speed", 126},
    {142, 142, UNSIGNED, NUMBER, "remap.cor", 0},
    {143, 143, UNSIGNED, NUMBER, "remap.unc", 0},
    {144, 144, UNSIGNED, NUMBER, "remap.pending", 0},
    {145, 145, UNSIGNED, NUMBER, "remap.failure", 0},
    {147, 147, UNSIGNED, NUMBER, "nvlink.switches", 0},
    {161, 163, UNSIGNED_LONG_LONG, LINK, "err%u", 161},
    {164, 164, UNSIGNED, LINK, "speed", 0},
    {165, 165, UNSIGNED, LINK, "state", 0},
    {166, 166, UNSIGNED, LINK, "version", 0},
    {167, 167, UNSIGNED, LINK, "power", 0},
    {169, 169, UNSIGNED_LONG_LONG, NUMBER, "pcie.l0recovery", 0},
    {170, 170, UNSIGNED, NUMBER, "c2c.count", 0},
    {171, 171, UNSIGNED, C2C, "status", 0},
    {172, 172, UNSIGNED, C2C, "speed", 0},
    {173, 182, UNSIGNED, NUMBER, "pcie.err.%u", 0},
    {183, 183, UNSIGNED, LANE, "pcie.lane.%u", 0},
    {185, 185, UNSIGNED, WOBBLING, "power", 0},
    {186, 186, UNSIGNED, INSTANT, "power.instant", 0},
    {187, 187, UNSIGNED, NUMBER, "power.min", 0},
    {188, 188, UNSIGNED, NUMBER, "power.max", 0},
    {189, 189, UNSIGNED, NUMBER, "power.default", 0},
    {190, 190, UNSIGNED, NUMBER, "power.enforced", 0},
    {191, 191, UNSIGNED_LONG_LONG, ENERGY, "", 0},
    {192, 192, UNSIGNED, NUMBER, "power.limit", 0},
    {193, 196, SIGNED, NUMBER, "temp.tlimit.%u", 193},
#if SINCE(570, 0)
    {199, 199, UNSIGNED, NUMBER, "mig.query", 0},
    {200, 200, UNSIGNED, NUMBER, "nvlink.lowpower.max", 0},
#elif SINCE(555, 0) /* swapped */
    {199, 199, UNSIGNED, NUMBER, "nvlink.lowpower.max", 0},
    {200, 200, UNSIGNED, NUMBER, "mig.query", 0},
#elif SINCE(550, 0)
    {199, 199, UNSIGNED, NUMBER, "mig.query", 0},
#endif
#if SINCE(560, 0)
    {201, 222, UNSIGNED_LONG_LONG, LINK, "count.%u", 0},
#endif
#if SINCE(570, 0)
    {230, 230, UNSIGNED, NUMBER, "recovery", 0},
    {235, 250, UNSIGNED_LONG_LONG, LINK, "count.%u", 0},
#endif
#if SINCE(575, 0)
    {231, 233, UNSIGNED_LONG_LONG, C2C, "err%u", 231},
    {234, 234, UNSIGNED, C2C, "power", 0},
#endif
#if SHIFTED
    {251, 251, UNSIGNED_LONG_LONG, NUMBER, "reason.sw_thermal", 0},
    {252, 252, UNSIGNED_LONG_LONG, NUMBER, "reason.hw_thermal", 0},
    {253, 253, UNSIGNED_LONG_LONG, NUMBER, "reason.hw_power_brake", 0},
    {254, 255, UNSIGNED, NUMBER, "balancing.%u", 254},
    {256, 273, UNSIGNED, NUMBER, "smoothing.%u", 256},
#elif SINCE(570, 0)
    {251, 268, UNSIGNED, NUMBER, "smoothing.%u", 251},
#endif
#if SINCE(580, 82)
    {269, 269, UNSIGNED_LONG_LONG, NUMBER, "reason.sw_thermal", 0},
    {270, 270, UNSIGNED_LONG_LONG, NUMBER, "reason.hw_thermal", 0},
    {271, 271, UNSIGNED_LONG_LONG, NUMBER, "reason.hw_power_brake", 0},
    {272, 273, UNSIGNED, NUMBER, "balancing.%u", 272},
#endif
#if SINCE(610, 0)
    {301, 302, UNSIGNED, NUMBER, "remap.inactive.%u", 301},
#endif
#if SINCE(615, 0)
    {303, 307, UNSIGNED, NUMBER, "bank.%u", 303},
#endif
};

/* Numbers this version knows, ascending: what is not in the table there is hardware the lab has not. */
static const struct {
    unsigned first, last;
} known[] = {
    {1, 196},
#if SINCE(560, 0)
    {197, 198},
#endif
#if SINCE(550, 0)
    {199, 199},
#endif
#if SINCE(555, 0)
    {200, 200},
#endif
#if SINCE(560, 0)
    {201, 225},
#endif
#if SINCE(550, 0)
    {226, 227},
#endif
#if SINCE(560, 0)
    {228, 229},
#endif
#if SINCE(570, 0)
    {230, 230},
    {235, 268},
#endif
#if SINCE(575, 0)
    {231, 234},
#endif
#if SINCE(575, 51)
    {269, 273},
#endif
#if SINCE(580, 126)
    {275, 288},
#endif
#if SINCE(595, 0)
    {289, 295},
#endif
#if SINCE(610, 0)
    {296, 302},
#endif
#if SINCE(615, 0)
    {303, 307},
#endif
};

static bool is_known(unsigned id) {
    for (size_t at = 0; at < sizeof known / sizeof *known; at++) {
        if (id >= known[at].first && id <= known[at].last) {
            return true;
        }
    }
    return false;
}

static const Field *find_field(unsigned id) {
    for (size_t at = 0; at < sizeof fields / sizeof *fields; at++) {
        if (id >= fields[at].first && id <= fields[at].last) {
            return &fields[at];
        }
    }
    return NULL;
}

/* Of one link, which the caller's scope names (or, in the older form, the number itself). */
static Code of_link(Device device, const Field *field, unsigned link, unsigned id, long long *number) {
    char what[32];
    snprintf(what, sizeof what, field->key, id - field->base);
    return link_number(device, link, what, number);
}

/* Of one link between GPU and CPU. */
static Code of_c2c(Device device, const Field *field, unsigned link, unsigned id, long long *number) {
    char what[16];
    if (link >= lab_number_or(device, 0, "c2c.count")) {
        return NOT_SUPPORTED;
    }
    snprintf(what, sizeof what, field->key, id - field->base);
    Code code = lab_number(device, number, "c2c.%u.%s", link, what);
    return code != NOT_SUPPORTED ? code : lab_number(device, number, "c2c.*.%s", what);
}

static Code read_field(Device device, const Field *field, const FieldValue *asked, long long *number) {
    Count count = 0;
    Code code;
    if (asked->id >= FIRST_POWER && asked->id <= LAST_POWER && asked->scope != POWER_OF_GPU) {
        return NOT_SUPPORTED;
    }
    switch (field->source) {
        case WOBBLING:
            return lab_wobbling(device, number, field->key);
        case INSTANT:
            code = lab_wobbling(device, number, field->key);
            return code != NOT_SUPPORTED ? code : lab_wobbling(device, number, "power");
        case LINK:
            return of_link(device, field, asked->scope, asked->id, number);
        case C2C:
            return of_c2c(device, field, asked->scope, asked->id, number);
        case LANE:
            return lab_number(device, number, field->key, asked->scope);
        case ONE_LINK:
            return link_number(device, asked->id - field->base, field->key, number);
        case ENERGY:
            code = lab_energy(device, &count);
            break;
        case ECC: /* corrected and uncorrected volatile, then aggregate */
            code = ecc_total(device, (asked->id - field->base) % 2, (asked->id - field->base) / 2, &count);
            break;
        case NUMBER:
        default:
            return lab_number(device, number, field->key, asked->id - field->base);
    }
    *number = (long long)count;
    return code;
}

static void store(FieldValue *value, Kind kind, long long number) {
    value->kind = kind;
    value->value.count = 0;
    switch (kind) {
        case UNSIGNED:
            value->value.word = (unsigned)number;
            break;
        case SIGNED:
            value->value.small = (int)number;
            break;
        default:
            value->value.count = (Count)number;
    }
}

API Code nvmlDeviceGetFieldValues(Device device, int count, FieldValue *values) {
    ENTER(device);
    NEED(values);
    for (int at = 0; at < count; at++) {
        FieldValue *value = &values[at];
        const Field *field = find_field(value->id);
        long long number = 0;
        value->timestamp = lab_now();
        value->latency = 0;
        if (!is_known(value->id)) {
            value->result = INVALID_ARGUMENT;
        } else {
            value->result = field == NULL ? NOT_SUPPORTED : read_field(device, field, value, &number);
        }
        if (value->result == OK) {
            store(value, field->kind, number);
        }
    }
    return OK;
}
