/* Temperature, power, clocks, use.
 *
 * Keys: `temp`, `temp.margin`, `temp.threshold.0` to `.3` (shutdown, slowdown, memory, GPU); `power` (mW), `power.limit`,
 * `power.default`, `power.enforced`, `power.min`, `power.max`, `power.mode`, `energy` (mJ); `clock.0` to `.3` (graphics, SM,
 * memory, video), `clock.max.N`, `clock.app.N`, `clock.appdefault.N`, `clock.boost.N`; `throttle` and `throttle.supported`
 * (masks), `violation.N` (ns), `pstate`; `util.gpu`, `util.mem`, `util.enc`, `util.dec`, `util.jpg`, `util.ofa`, `fan`. */
#include "getters.h"

API Code nvmlDeviceGetTemperature(Device device, unsigned sensor, unsigned *celsius);
API Code nvmlDeviceGetPowerUsage(Device device, unsigned *milliwatts);
API Code nvmlDeviceGetTotalEnergyConsumption(Device device, Count *millijoules);
API Code nvmlDeviceGetUtilizationRates(Device device, Utilization *rates);
API Code nvmlDeviceGetViolationStatus(Device device, unsigned policy, ViolationTime *time);
API Code nvmlDeviceGetClock(Device device, unsigned clock, unsigned kind, unsigned *megahertz);

static Code wobbling_unsigned(Device device, unsigned *value, const char *key) {
    NEED(value);
    long long number;
    Code code = lab_wobbling(device, &number, key);
    if (code == OK) {
        *value = (unsigned)number;
    }
    return code;
}

/* --- temperature -------------------------------------------------------------------------------------------------- */

API Code nvmlDeviceGetTemperature(Device device, unsigned sensor, unsigned *celsius) {
    ENTER(device);
    return sensor != 0 ? INVALID_ARGUMENT : wobbling_unsigned(device, celsius, "temp");
}

#if SINCE(570, 0)
API Code nvmlDeviceGetTemperatureV(Device device, Temperature *temperature);
API Code nvmlDeviceGetTemperatureV(Device device, Temperature *temperature) {
    ENTER(device);
    NEED(temperature);
    if (temperature->version != VERSION_WORD(Temperature, 1)) {
        return VERSION_MISMATCH;
    }
    unsigned celsius;
    Code code = nvmlDeviceGetTemperature(device, temperature->sensor, &celsius);
    if (code == OK) {
        temperature->temperature = (int)celsius;
    }
    return code;
}

API Code nvmlDeviceGetMarginTemperature(Device device, MarginTemperature *margin);
API Code nvmlDeviceGetMarginTemperature(Device device, MarginTemperature *margin) {
    ENTER(device);
    NEED(margin);
    if (margin->version != VERSION_WORD(MarginTemperature, 1)) {
        return VERSION_MISMATCH;
    }
    long long celsius;
    Code code = lab_wobbling(device, &celsius, "temp.margin");
    if (code == OK) {
        margin->margin = (int)celsius;
    }
    return code;
}
#endif

GET_BY(nvmlDeviceGetTemperatureThreshold, "temp.threshold.%u")
GET_UNSIGNED(nvmlDeviceGetFanSpeed, "fan")
GET_BY(nvmlDeviceGetFanSpeed_v2, "fan.%u")
GET_UNSIGNED(nvmlDeviceGetNumFans, "fans")

/* --- power -------------------------------------------------------------------------------------------------------- */

API Code nvmlDeviceGetPowerUsage(Device device, unsigned *milliwatts) {
    ENTER(device);
    return wobbling_unsigned(device, milliwatts, "power");
}

API Code nvmlDeviceGetTotalEnergyConsumption(Device device, Count *millijoules) {
    ENTER(device);
    return lab_energy(device, millijoules);
}

GET_UNSIGNED(nvmlDeviceGetPowerManagementLimit, "power.limit")
GET_UNSIGNED(nvmlDeviceGetPowerManagementDefaultLimit, "power.default")
GET_UNSIGNED(nvmlDeviceGetEnforcedPowerLimit, "power.enforced")
GET_UNSIGNED(nvmlDeviceGetPowerManagementMode, "power.mode")
GET_UNSIGNED(nvmlDeviceGetPowerSource, "power.source")
GET_TWO(nvmlDeviceGetPowerManagementLimitConstraints, "power.min", "power.max")

/* --- clocks ------------------------------------------------------------------------------------------------------- */

GET_BY(nvmlDeviceGetClockInfo, "clock.%u")
GET_BY(nvmlDeviceGetMaxClockInfo, "clock.max.%u")
GET_BY(nvmlDeviceGetApplicationsClock, "clock.app.%u")
GET_BY(nvmlDeviceGetDefaultApplicationsClock, "clock.appdefault.%u")
GET_BY(nvmlDeviceGetMaxCustomerBoostClock, "clock.boost.%u")
GET_COUNT(nvmlDeviceGetCurrentClocksThrottleReasons, "throttle")
GET_COUNT(nvmlDeviceGetSupportedClocksThrottleReasons, "throttle.supported")
#if SINCE(535, 0)
GET_COUNT(nvmlDeviceGetCurrentClocksEventReasons, "throttle")
GET_COUNT(nvmlDeviceGetSupportedClocksEventReasons, "throttle.supported")
#endif
GET_UNSIGNED(nvmlDeviceGetPerformanceState, "pstate")
GET_UNSIGNED(nvmlDeviceGetPowerState, "pstate")

/* NVML_CLOCK_ID_*: current, application target, application default, customer boost maximum. */
API Code nvmlDeviceGetClock(Device device, unsigned clock, unsigned kind, unsigned *megahertz) {
    ENTER(device);
    switch (kind) {
        case 0:
            return lab_unsigned(device, megahertz, "clock.%u", clock);
        case 1:
            return lab_unsigned(device, megahertz, "clock.app.%u", clock);
        case 2:
            return lab_unsigned(device, megahertz, "clock.appdefault.%u", clock);
        case 3:
            return lab_unsigned(device, megahertz, "clock.boost.%u", clock);
        default:
            return INVALID_ARGUMENT;
    }
}

API Code nvmlDeviceGetViolationStatus(Device device, unsigned policy, ViolationTime *time) {
    ENTER(device);
    NEED(time);
    Code code = lab_count(device, &time->violation_time, "violation.%u", policy);
    if (code == OK) {
        time->reference_time = (Count)lab_now();
    }
    return code;
}

/* --- use ---------------------------------------------------------------------------------------------------------- */

static unsigned percent(long long number) {
    return number > 100 ? 100 : (unsigned)number;
}

API Code nvmlDeviceGetUtilizationRates(Device device, Utilization *rates) {
    ENTER(device);
    NEED(rates);
    long long gpu, memory;
    Code code = lab_wobbling(device, &gpu, "util.gpu");
    if (code == OK) {
        code = lab_wobbling(device, &memory, "util.mem");
    }
    if (code == OK) {
        *rates = (Utilization){percent(gpu), percent(memory)};
    }
    return code;
}

GET_TWO(nvmlDeviceGetEncoderUtilization, "util.enc", "util.period")
GET_TWO(nvmlDeviceGetDecoderUtilization, "util.dec", "util.period")
GET_TWO(nvmlDeviceGetJpgUtilization, "util.jpg", "util.period")
GET_TWO(nvmlDeviceGetOfaUtilization, "util.ofa", "util.period")
