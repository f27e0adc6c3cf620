/* Event sets, in which nothing ever happens: the lab tells of Xids in the kernel log, where an agentless look finds them.
 *
 * Key: `events.supported` (mask), what a GPU could be asked to report. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "getters.h"

typedef struct event_set {
    Count wanted;
} *EventSet;

API Code nvmlEventSetCreate(EventSet *set);
API Code nvmlEventSetFree(EventSet set);
API Code nvmlDeviceRegisterEvents(Device device, Count types, EventSet set);
API Code nvmlEventSetWait_v2(EventSet set, void *event, unsigned milliseconds);

GET_COUNT(nvmlDeviceGetSupportedEventTypes, "events.supported")

API Code nvmlEventSetCreate(EventSet *set) {
    Code code = lab_enter_system();
    if (code != OK) {
        return code;
    }
    NEED(set);
    *set = calloc(1, sizeof **set);
    return *set == NULL ? UNKNOWN : OK;
}

API Code nvmlEventSetFree(EventSet set) {
    free(set);
    return OK;
}

API Code nvmlDeviceRegisterEvents(Device device, Count types, EventSet set) {
    ENTER(device);
    NEED(set);
    long long supported;
    Code code = lab_number(device, &supported, "events.supported");
    if (code != OK) {
        return code;
    }
    if ((types & ~(Count)supported) != 0) {
        return NOT_SUPPORTED;
    }
    set->wanted |= types;
    return OK;
}

API Code nvmlEventSetWait_v2(EventSet set, void *event, unsigned milliseconds) {
    NEED(set);
    NEED(event);
    struct timespec left = {milliseconds / 1000, milliseconds % 1000 * 1000000L};
    while (nanosleep(&left, &left) != 0 && errno == EINTR) {
    }
    return TIMEOUT;
}
