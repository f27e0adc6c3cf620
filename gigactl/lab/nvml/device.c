/* Which GPUs there are, and who each of them is.
 *
 * Keys: `pci` (0000:18:00.0), `pci.device`, `pci.subsystem` (0x233510de: device in the upper half), `uuid`, `serial`, `name`,
 * `part`, `vbios`, `inforom`, `inforom.0` to `.3` (OEM, ECC, power, BBX objects), `inforom.checksum`, `gsp`, `brand`, `arch`,
 * `cc.major`, `cc.minor`, `cores`, `buswidth`, `board`, `module`, `minor`, `numa`. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "getters.h"
#include "pci.h"

API Code nvmlDeviceGetCount_v2(unsigned *count);
API Code nvmlDeviceGetCount(unsigned *count);
API Code nvmlDeviceGetHandleByIndex_v2(unsigned index, Device *device);
API Code nvmlDeviceGetHandleByIndex(unsigned index, Device *device);
API Code nvmlDeviceGetHandleByUUID(const char *uuid, Device *device);
API Code nvmlDeviceGetHandleBySerial(const char *serial, Device *device);
API Code nvmlDeviceGetHandleByPciBusId_v2(const char *address, Device *device);
API Code nvmlDeviceGetHandleByPciBusId(const char *address, Device *device);
API Code nvmlDeviceGetIndex(Device device, unsigned *index);
API Code nvmlDeviceGetMinorNumber(Device device, unsigned *minor);
API Code nvmlDeviceGetInforomVersion(Device device, unsigned object, char *text, unsigned size);
API Code nvmlDeviceGetGspFirmwareVersion(Device device, char *text);
API Code nvmlDeviceValidateInforom(Device device);
API Code nvmlDeviceGetPciInfo_v3(Device device, PciInfo *info);
API Code nvmlDeviceGetPciInfo_v2(Device device, PciInfo *info);
API Code nvmlDeviceGetPciInfo(Device device, PciInfo *info);

static unsigned how_many(void) {
    long long count = lab_number_or(NULL, 0, "gpus");
    return count < 0 ? 0 : count > MAX_GPUS ? MAX_GPUS : (unsigned)count;
}

API Code nvmlDeviceGetCount_v2(unsigned *count) {
    Code code = lab_enter_system();
    if (code != OK) {
        return code;
    }
    NEED(count);
    *count = how_many();
    return OK;
}

API Code nvmlDeviceGetCount(unsigned *count) {
    return nvmlDeviceGetCount_v2(count);
}

API Code nvmlDeviceGetHandleByIndex_v2(unsigned index, Device *device) {
    Code code = lab_enter_system();
    if (code != OK) {
        return code;
    }
    NEED(device);
    if (index >= how_many()) {
        return INVALID_ARGUMENT;
    }
    code = lab_enter(&lab_devices[index]);
    if (code == OK) {
        *device = &lab_devices[index];
    }
    return code;
}

API Code nvmlDeviceGetHandleByIndex(unsigned index, Device *device) {
    return nvmlDeviceGetHandleByIndex_v2(index, device);
}

typedef bool (*Same)(const char *known, const char *wanted);

static bool same_text(const char *known, const char *wanted) {
    return strcasecmp(known, wanted) == 0;
}

/* `00000000:18:00.0` and `0000:18:00.0` are one place. */
static bool same_place(const char *known, const char *wanted) {
    PciInfo first, second;
    return pci_place(known, &first) && pci_place(wanted, &second) && first.domain == second.domain &&
           first.bus == second.bus && first.device == second.device;
}

static Code by(const char *key, Same same, const char *wanted, Device *device) {
    Code code = lab_enter_system();
    if (code != OK) {
        return code;
    }
    NEED(wanted);
    NEED(device);
    for (unsigned index = 0; index < how_many(); index++) {
        char *known = NULL;
        bool found = lab_copy(&lab_devices[index], &known, "%s", key) == OK && same(known, wanted);
        free(known);
        if (found) {
            return nvmlDeviceGetHandleByIndex_v2(index, device);
        }
    }
    return NOT_FOUND;
}

API Code nvmlDeviceGetHandleByUUID(const char *uuid, Device *device) {
    return by("uuid", same_text, uuid, device);
}

API Code nvmlDeviceGetHandleBySerial(const char *serial, Device *device) {
    return by("serial", same_text, serial, device);
}

API Code nvmlDeviceGetHandleByPciBusId_v2(const char *address, Device *device) {
    return by("pci", same_place, address, device);
}

API Code nvmlDeviceGetHandleByPciBusId(const char *address, Device *device) {
    return nvmlDeviceGetHandleByPciBusId_v2(address, device);
}

API Code nvmlDeviceGetIndex(Device device, unsigned *index) {
    ENTER(device);
    NEED(index);
    *index = device->index;
    return OK;
}

API Code nvmlDeviceGetMinorNumber(Device device, unsigned *minor) {
    ENTER(device);
    NEED(minor);
    *minor = (unsigned)lab_number_or(device, device->index, "minor");
    return OK;
}

GET_TEXT(nvmlDeviceGetName, "name")
GET_TEXT(nvmlDeviceGetUUID, "uuid")
GET_TEXT(nvmlDeviceGetSerial, "serial")
GET_TEXT(nvmlDeviceGetBoardPartNumber, "part")
GET_TEXT(nvmlDeviceGetVbiosVersion, "vbios")
GET_TEXT(nvmlDeviceGetInforomImageVersion, "inforom")
GET_UNSIGNED(nvmlDeviceGetInforomConfigurationChecksum, "inforom.checksum")
GET_UNSIGNED(nvmlDeviceGetBrand, "brand")
GET_UNSIGNED(nvmlDeviceGetArchitecture, "arch")
GET_UNSIGNED(nvmlDeviceGetBoardId, "board")
GET_UNSIGNED(nvmlDeviceGetModuleId, "module")
GET_UNSIGNED(nvmlDeviceGetNumGpuCores, "cores")
GET_UNSIGNED(nvmlDeviceGetMemoryBusWidth, "buswidth")
GET_UNSIGNED(nvmlDeviceGetMultiGpuBoard, "multigpu")
GET_UNSIGNED(nvmlDeviceGetNumaNodeId, "numa")
GET_TWO(nvmlDeviceGetCudaComputeCapability, "cc.major", "cc.minor")
GET_TWO(nvmlDeviceGetGspFirmwareMode, "gsp.enabled", "gsp.default")

/* The caller's buffer has NVML_GSP_FIRMWARE_VERSION_BUF_SIZE, and nobody says so. */
API Code nvmlDeviceGetGspFirmwareVersion(Device device, char *text) {
    ENTER(device);
    return lab_text(device, text, 64, "gsp");
}

API Code nvmlDeviceGetInforomVersion(Device device, unsigned object, char *text, unsigned size) {
    ENTER(device);
    return lab_text(device, text, size, "inforom.%u", object);
}

/* Its checksum is right unless the line says otherwise: `!14`, CORRUPTED_INFOROM. */
API Code nvmlDeviceValidateInforom(Device device) {
    ENTER(device);
    char text[1];
    Code code = lab_text(device, text, sizeof text, "inforom.valid");
    return code == NOT_SUPPORTED || code == INSUFFICIENT_SIZE ? OK : code;
}

API Code nvmlDeviceGetPciInfo_v3(Device device, PciInfo *info) {
    ENTER(device);
    NEED(info);
    char address[32];
    Code code = lab_text(device, address, sizeof address, "pci");
    if (code != OK) {
        return code;
    }
    if (!pci_place(address, info)) {
        return UNKNOWN;
    }
    info->device_id = (unsigned)lab_number_or(device, 0, "pci.device");
    info->subsystem_id = (unsigned)lab_number_or(device, 0, "pci.subsystem");
    return OK;
}

API Code nvmlDeviceGetPciInfo_v2(Device device, PciInfo *info) {
    return nvmlDeviceGetPciInfo_v3(device, info);
}

API Code nvmlDeviceGetPciInfo(Device device, PciInfo *info) {
    return nvmlDeviceGetPciInfo_v3(device, info);
}
