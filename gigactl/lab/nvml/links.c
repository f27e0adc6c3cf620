/* PCIe and NVLink.
 *
 * Keys: `pcie.gen`, `pcie.width`, `pcie.maxgen`, `pcie.maxwidth`, `pcie.gpumaxgen`, `pcie.replay`, `pcie.throughput.0` (sent,
 * KB/s) and `.1` (received); `nvlink.count`, and for each link or (`nvlink.*.`) all: `state`, `version`, `remote` (an address),
 * `remotetype`, `cap0` and so on, `err0` replay, `err1` recovery, `err2` and `err3` CRC of flit and data. */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>

#include "getters.h"
#include "links.h"
#include "pci.h"

API Code nvmlDeviceGetNvLinkState(Device device, unsigned link, unsigned *active);
API Code nvmlDeviceGetNvLinkVersion(Device device, unsigned link, unsigned *version);
API Code nvmlDeviceGetNvLinkCapability(Device device, unsigned link, unsigned capability, unsigned *has);
API Code nvmlDeviceGetNvLinkRemoteDeviceType(Device device, unsigned link, unsigned *kind);
API Code nvmlDeviceGetNvLinkErrorCounter(Device device, unsigned link, unsigned counter, Count *value);
API Code nvmlDeviceGetNvLinkRemotePciInfo_v2(Device device, unsigned link, PciInfo *info);
API Code nvmlDeviceGetNvLinkRemotePciInfo(Device device, unsigned link, PciInfo *info);
API Code nvmlDeviceGetPcieThroughput(Device device, unsigned counter, unsigned *value);

bool pci_place(const char *address, PciInfo *info) {
    unsigned domain, bus, device, function = 0;
    if (sscanf(address, "%x:%x:%x.%x", &domain, &bus, &device, &function) < 3) {
        return false;
    }
    memset(info, 0, sizeof *info);
    info->domain = domain;
    info->bus = bus & 0xff;
    info->device = device & 0x1f;
    snprintf(info->bus_id_legacy, sizeof info->bus_id_legacy, "%04X:%02X:%02X.%X", domain & 0xffff, info->bus, info->device,
             function & 7);
    snprintf(info->bus_id, sizeof info->bus_id, "%08X:%02X:%02X.%X", domain, info->bus, info->device, function & 7);
    return true;
}

/* --- PCIe --------------------------------------------------------------------------------------------------------- */

GET_UNSIGNED(nvmlDeviceGetCurrPcieLinkGeneration, "pcie.gen")
GET_UNSIGNED(nvmlDeviceGetCurrPcieLinkWidth, "pcie.width")
GET_UNSIGNED(nvmlDeviceGetMaxPcieLinkGeneration, "pcie.maxgen")
GET_UNSIGNED(nvmlDeviceGetMaxPcieLinkWidth, "pcie.maxwidth")
GET_UNSIGNED(nvmlDeviceGetGpuMaxPcieLinkGeneration, "pcie.gpumaxgen")
GET_UNSIGNED(nvmlDeviceGetPcieReplayCounter, "pcie.replay")

API Code nvmlDeviceGetPcieThroughput(Device device, unsigned counter, unsigned *value) {
    ENTER(device);
    NEED(value);
    if (counter > 1) {
        return INVALID_ARGUMENT;
    }
    long long rate;
    Code code = lab_wobbling(device, &rate, counter == 0 ? "pcie.throughput.0" : "pcie.throughput.1");
    if (code == OK) {
        *value = (unsigned)rate;
    }
    return code;
}

/* --- NVLink ------------------------------------------------------------------------------------------------------- */

Code link_number(Device device, unsigned link, const char *what, long long *value) {
    long long count = lab_number_or(device, 0, "nvlink.count");
    if (count == 0) {
        return NOT_SUPPORTED;
    }
    if (link >= count) {
        return INVALID_ARGUMENT;
    }
    Code code = lab_number(device, value, "nvlink.%u.%s", link, what);
    return code != NOT_SUPPORTED ? code : lab_number(device, value, "nvlink.*.%s", what);
}

static Code link_unsigned(Device device, unsigned link, const char *what, unsigned *value) {
    ENTER(device);
    NEED(value);
    long long number;
    Code code = link_number(device, link, what, &number);
    if (code == OK) {
        *value = (unsigned)number;
    }
    return code;
}

API Code nvmlDeviceGetNvLinkState(Device device, unsigned link, unsigned *active) {
    return link_unsigned(device, link, "state", active);
}

API Code nvmlDeviceGetNvLinkVersion(Device device, unsigned link, unsigned *version) {
    return link_unsigned(device, link, "version", version);
}

API Code nvmlDeviceGetNvLinkRemoteDeviceType(Device device, unsigned link, unsigned *kind) {
    return link_unsigned(device, link, "remotetype", kind);
}

API Code nvmlDeviceGetNvLinkCapability(Device device, unsigned link, unsigned capability, unsigned *has) {
    char what[16];
    snprintf(what, sizeof what, "cap%u", capability);
    return link_unsigned(device, link, what, has);
}

API Code nvmlDeviceGetNvLinkErrorCounter(Device device, unsigned link, unsigned counter, Count *value) {
    ENTER(device);
    NEED(value);
    char what[16];
    snprintf(what, sizeof what, "err%u", counter);
    long long number;
    Code code = link_number(device, link, what, &number);
    if (code == OK) {
        *value = (Count)number;
    }
    return code;
}

API Code nvmlDeviceGetNvLinkRemotePciInfo_v2(Device device, unsigned link, PciInfo *info) {
    ENTER(device);
    NEED(info);
    if (link >= lab_number_or(device, 0, "nvlink.count")) {
        return INVALID_ARGUMENT;
    }
    char address[32];
    Code code = lab_text(device, address, sizeof address, "nvlink.%u.remote", link);
    if (code == OK && !pci_place(address, info)) {
        code = UNKNOWN;
    }
    return code;
}

API Code nvmlDeviceGetNvLinkRemotePciInfo(Device device, unsigned link, PciInfo *info) {
    return nvmlDeviceGetNvLinkRemotePciInfo_v2(device, link, info);
}
