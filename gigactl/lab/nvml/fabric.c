/* Where a GPU stands: in the NVLink fabric, in the rack, next to which other GPU and which CPU.
 *
 * Keys: `fabric.state` (0 not supported, 1 not started, 2 in progress, 3 completed), `fabric.status` (an NVML code),
 * `fabric.clique`, `fabric.cluster` (a UUID), `fabric.health` (mask), `fabric.summary`; `platform.chassis`, `.ibguid`, `.slot`,
 * `.tray`, `.host`, `.peer`, `.module`; `topo.N`: how far GPU N is; `cpuaffinity.N`: word N of the mask. */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>

#include "getters.h"

API Code nvmlDeviceGetGpuFabricInfo(Device device, FabricInfo *info);
API Code nvmlDeviceGetTopologyCommonAncestor(Device device, Device other, unsigned *level);
API Code nvmlDeviceGetTopologyNearestGpus(Device device, unsigned level, unsigned *count, Device *found);
API Code nvmlDeviceGetP2PStatus(Device device, Device other, unsigned capability, unsigned *status);
API Code nvmlDeviceGetCpuAffinity(Device device, unsigned words, unsigned long *mask);
API Code nvmlDeviceGetMemoryAffinity(Device device, unsigned words, unsigned long *mask, unsigned scope);
API Code nvmlDeviceGetCpuAffinityWithinScope(Device device, unsigned words, unsigned long *mask, unsigned scope);

/* Sixteen bytes from hexadecimal digits; dashes between them do not count. */
static void bytes_of(Device device, const char *key, uint8_t *bytes) {
    char text[64];
    memset(bytes, 0, 16);
    if (lab_text(device, text, sizeof text, "%s", key) != OK) {
        return;
    }
    unsigned digits = 0, value = 0;
    for (const char *at = text; *at != '\0' && digits < 32; at++) {
        if (*at != '-' && sscanf((char[]){*at, '\0'}, "%1x", &value) == 1) {
            bytes[digits / 2] = (uint8_t)(bytes[digits / 2] << 4 | value);
            digits++;
        }
    }
}

static Code fabric(Device device, FabricInfo *info) {
    long long state;
    Code code = lab_number(device, &state, "fabric.state");
    if (code == OK) {
        bytes_of(device, "fabric.cluster", info->cluster);
        info->status = (Code)lab_number_or(device, 0, "fabric.status");
        info->clique = (unsigned)lab_number_or(device, 0, "fabric.clique");
        info->state = (uint8_t)state;
    }
    return code;
}

API Code nvmlDeviceGetGpuFabricInfo(Device device, FabricInfo *info) {
    ENTER(device);
    NEED(info);
    return fabric(device, info);
}

#if SINCE(545, 0)
/* One entry point for every form: the version word says which the caller has. v3 came with 580.65. */
API Code nvmlDeviceGetGpuFabricInfoV(Device device, FabricInfoV *info);
API Code nvmlDeviceGetGpuFabricInfoV(Device device, FabricInfoV *info) {
    ENTER(device);
    NEED(info);
    bool third = SINCE(580, 65) && info->version == VERSION_WORD(FabricInfoV, 3);
    if (!third && info->version != FABRIC_V2_WORD) {
        return VERSION_MISMATCH;
    }
    FabricInfo found;
    Code code = fabric(device, &found);
    if (code != OK) {
        return code;
    }
    memcpy(info->cluster, found.cluster, sizeof info->cluster);
    info->status = found.status;
    info->clique = found.clique;
    info->state = found.state;
    info->health_mask = (unsigned)lab_number_or(device, 0, "fabric.health");
    if (third) {
        info->health_summary = (uint8_t)lab_number_or(device, 0, "fabric.summary");
    }
    return OK;
}
#endif

#if SINCE(570, 0)
API Code nvmlDeviceGetPlatformInfo(Device device, PlatformInfo *info);
API Code nvmlDeviceGetPlatformInfo(Device device, PlatformInfo *info) {
    ENTER(device);
    NEED(info);
    if (info->version != VERSION_WORD(PlatformInfo, 1) && info->version != VERSION_WORD(PlatformInfo, 2)) {
        return VERSION_MISMATCH;
    }
    char chassis[sizeof info->chassis_serial + 1];
    Code code = lab_text(device, chassis, sizeof chassis, "platform.chassis");
    if (code != OK) {
        return code;
    }
    memset(info->chassis_serial, 0, sizeof info->chassis_serial);
    memcpy(info->chassis_serial, chassis, strlen(chassis)); /* sixteen characters are not ended by a zero */
    bytes_of(device, "platform.ibguid", info->ib_guid);
    info->slot = (uint8_t)lab_number_or(device, 0, "platform.slot");
    info->tray = (uint8_t)lab_number_or(device, 0, "platform.tray");
    info->host = (uint8_t)lab_number_or(device, 0, "platform.host");
    info->peer_type = (uint8_t)lab_number_or(device, 0, "platform.peer");
    info->module = (uint8_t)lab_number_or(device, 0, "platform.module");
    return OK;
}
#endif

/* --- neighbours --------------------------------------------------------------------------------------------------- */

API Code nvmlDeviceGetTopologyCommonAncestor(Device device, Device other, unsigned *level) {
    ENTER(device);
    ENTER(other);
    return lab_unsigned(device, level, "topo.%u", other->index);
}

API Code nvmlDeviceGetTopologyNearestGpus(Device device, unsigned level, unsigned *count, Device *found) {
    ENTER(device);
    NEED(count);
    unsigned near = 0;
    for (unsigned index = 0; index < MAX_GPUS; index++) {
        if (index == device->index || lab_number_or(device, -1, "topo.%u", index) != (long long)level) {
            continue;
        }
        if (found != NULL && near < *count) {
            found[near] = &lab_devices[index];
        }
        near++;
    }
    *count = near;
    return OK;
}

/* NVML_P2P_STATUS_OK between any two GPUs of a host. */
API Code nvmlDeviceGetP2PStatus(Device device, Device other, unsigned capability, unsigned *status) {
    ENTER(device);
    ENTER(other);
    NEED(status);
    *status = (unsigned)lab_number_or(device, 0, "p2p.%u.%u", other->index, capability);
    return OK;
}

static Code affinity(Device device, unsigned words, unsigned long *mask, const char *key) {
    ENTER(device);
    NEED(mask);
    long long first;
    Code code = lab_number(device, &first, "%s.0", key);
    for (unsigned at = 0; code == OK && at < words; at++) {
        mask[at] = (unsigned long)lab_number_or(device, 0, "%s.%u", key, at);
    }
    return code;
}

API Code nvmlDeviceGetCpuAffinity(Device device, unsigned words, unsigned long *mask) {
    return affinity(device, words, mask, "cpuaffinity");
}

API Code nvmlDeviceGetCpuAffinityWithinScope(Device device, unsigned words, unsigned long *mask, unsigned scope) {
    (void)scope;
    return affinity(device, words, mask, "cpuaffinity");
}

API Code nvmlDeviceGetMemoryAffinity(Device device, unsigned words, unsigned long *mask, unsigned scope) {
    (void)scope;
    return affinity(device, words, mask, "memaffinity");
}
