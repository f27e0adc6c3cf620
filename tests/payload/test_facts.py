"""Facts read from a recorded host."""

import os
import unittest

from gigactl.payload import facts, mounts, pci, services
from tests.payload.trees import Tree


def read(root, skip=()):
    """(sections by name, reasons by name, names begun)."""
    sections: "dict" = {}
    reasons: "dict" = {}
    begun: "list" = []

    def report(name, value):
        if name == "!":
            reasons[value["name"]] = value["reason"]
        else:
            sections[name] = value

    facts.read(root, begun.append, report, skip)
    return sections, reasons, begun


class Recorded(unittest.TestCase):
    def setUp(self):
        self.tree = Tree("sr680a-v3")
        self.addCleanup(self.tree.close)
        for path in ("/var/lib/docker", "/tmp", "/data one", "/boot/efi"):
            os.makedirs(self.tree.root + path)

    def test_identity(self):
        identity = read(self.tree.root)[0]["identity"]
        self.assertEqual(identity["boot_id"], "5b1f0d0e-7c1b-4f6e-9a53-0c1d2e3f4a5b")
        self.assertEqual(identity["hostname"], "gpu001")
        self.assertEqual(identity["uptime_s"], 86412.07)
        self.assertEqual(identity["memory_bytes"], 2113402156 * 1024)
        self.assertEqual(identity["memory_available_bytes"], 2050122340 * 1024)
        self.assertEqual(identity["os"]["id"], "ubuntu")
        self.assertEqual(identity["os"]["version_id"], "22.04")
        self.assertEqual(identity["os"]["kernel"], "5.15.0-130-generic")
        self.assertRegex(identity["at"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")

    def test_cpu_counts_sockets_by_physical_id(self):
        self.assertEqual(
            facts.cpu(self.tree.root), {"model": "INTEL(R) XEON(R) PLATINUM 8570", "sockets": 2, "threads": 4}
        )

    def test_an_arm_host_names_its_core_by_number_and_its_sockets_in_sysfs(self):
        grace = Tree("grace")
        self.addCleanup(grace.close)
        seen = {"model": "Arm Neoverse V2 (as in NVIDIA Grace)", "sockets": 2, "threads": 4}
        self.assertEqual(facts.cpu(grace.root), seen)
        grace.drop("/sys/devices/system/cpu")
        self.assertEqual(facts.cpu(grace.root), dict(seen, sockets=1))

    def test_a_core_without_a_name_keeps_its_numbers(self):
        self.assertEqual(facts.arm_core("0x61", "0x022"), "Arm core, implementer 0x61, part 0x022")
        self.assertEqual(facts.arm_core("", ""), "")

    def test_machine_type(self):
        self.assertEqual(facts.dmi(self.tree.root)["machine_type"], "7DHE")
        self.assertEqual(facts.machine_type("LENOVO", "ThinkSystem SR650 -[7X06CTO1WW]-", ""), "7X06")
        self.assertEqual(facts.machine_type("Dell Inc.", "PowerEdge XE9680", "7DHECTO1WW"), "")
        self.assertEqual(facts.machine_type("Lenovo", "ThinkSystem SR650", "n/a"), "")

    def test_modules(self):
        self.assertEqual(
            facts.modules(self.tree.root),
            [
                {"name": "nvidia", "version": "580.126.20"},
                {"name": "nvidia_uvm", "version": ""},
                {"name": "mlx5_core", "version": "24.10-1.1.4"},
            ],
        )

    def test_gpus_on_the_bus(self):
        alive, dead = pci.gpus(self.tree.root)
        self.assertEqual(
            alive,
            {
                "address": "0000:19:00.0",
                "vendor": "10de",
                "device": "2335",
                "driver": "nvidia",
                "alive": True,
                "width": 16,
                "max_width": 16,
                "speed": 32.0,
                "max_speed": 32.0,
                "numa": 0,
            },
        )
        self.assertEqual((dead["address"], dead["alive"], dead["width"]), ("0000:4e:00.0", False, 0))

    def test_an_accelerator_of_amd_is_seen_too(self):
        self.tree.put("/sys/bus/pci/devices/0000:75:00.0/class", "0x120000")
        self.tree.put("/sys/bus/pci/devices/0000:75:00.0/vendor", "0x1002")
        self.assertEqual([gpu["vendor"] for gpu in pci.gpus(self.tree.root)], ["10de", "10de", "1002"])

    def test_fabric(self):
        self.assertEqual(pci.fabric(self.tree.root), {"nvswitches": 2, "nvlink5": False})

    def test_nvlink5_shows_in_the_vpd_of_its_managing_device(self):
        for switch in ("07", "08"):
            self.tree.drop("/sys/bus/pci/devices/0000:%s:00.0" % switch)
        self.tree.put("/sys/class/infiniband/mlx5_1/device/vpd", "\x82ConnectX-7 SW_MNG")
        self.assertEqual(pci.fabric(self.tree.root), {"nvswitches": 0, "nvlink5": True})

    def test_ports(self):
        up, down = pci.ports(self.tree.root)
        self.assertEqual(
            up,
            {
                "device": "mlx5_0",
                "port": 1,
                "state": "ACTIVE",
                "physical": "LinkUp",
                "rate": 400.0,
                "layer": "InfiniBand",
            },
        )
        self.assertEqual((down["state"], down["physical"]), ("DOWN", "Disabled"))

    def test_mounts_are_local_and_each_device_once(self):
        paths = [mount["path"] for mount in mounts.judged(self.tree.root)]
        self.assertEqual(paths, ["/", "/tmp", "/var", "/boot/efi", "/data one", "/var/lib/docker"])

    def test_a_read_only_bind_mount_does_not_make_its_device_read_only(self):
        root, data = (
            next(m for m in mounts.judged(self.tree.root) if m["path"] == path) for path in ("/", "/data one")
        )
        self.assertFalse(root["readonly"])
        self.assertTrue(data["readonly"])

    def test_a_root_remounted_read_only_after_an_error(self):
        text = "28 1 253:0 / / rw,relatime - ext4 /dev/sda2 ro,errors=remount-ro"
        self.assertTrue(mounts.parse(text)[0]["readonly"])

    def test_what_is_mounted_over_another_hides_it(self):
        text = "28 1 8:1 / / rw - ext4 /dev/sda1 rw\n60 28 0:70 / / ro - overlay overlay rw"
        self.assertEqual([(m["kind"], m["readonly"]) for m in mounts.parse(text)], [("overlay", True)])

    def test_a_network_file_system_is_never_touched(self):
        touched = []

        def statvfs(path):
            touched.append(path)
            return os.statvfs(path)

        for mount in mounts.judged(self.tree.root):
            mounts.measured(self.tree.root, mount, statvfs)
        self.assertNotIn(self.tree.root + "/home", touched)
        self.assertNotIn(self.tree.root + "/scratch", touched)
        self.assertIn(self.tree.root + "/var", touched)

    def test_what_stands_in_for_the_kernels_own_is_not_judged(self):
        text = "28 1 8:1 / / rw - ext4 /dev/sda1 rw\n60 28 0:70 / /sys ro - overlay overlay rw"
        self.assertEqual([mount["path"] for mount in mounts.parse(text)], ["/"])

    def test_sizes(self):
        mount = mounts.measured(self.tree.root, mounts.judged(self.tree.root)[0])
        self.assertGreater(mount["size"], mount["available"])
        self.assertGreaterEqual(mount["inodes"], mount["inodes_free"])

    def test_every_section_is_a_step_and_fills_the_line(self):
        sections, reasons, begun = read(self.tree.root)
        self.assertEqual([name for name, _ in facts.SECTIONS], begun[: len(facts.SECTIONS)])
        self.assertEqual(reasons, {"services": "not-supported: systemd is not running"})
        self.assertEqual(sections["mounts /var"]["path"], "/var")

    def test_what_was_seen_is_not_read_again(self):
        _, _, begun = read(self.tree.root, skip={"cpu", "mounts /var"})
        self.assertNotIn("cpu", begun)
        self.assertNotIn("mounts /var", begun)

    def test_a_section_that_fails_costs_only_itself(self):
        self.tree.drop("/var")
        sections, reasons, _ = read(self.tree.root)
        self.assertTrue(reasons["mounts /var"].startswith("failed: "))
        self.assertIn("mounts /data one", sections)

    def test_an_empty_host_has_empty_facts(self):
        bare = Tree()
        self.addCleanup(bare.close)
        sections, reasons, _ = read(bare.root)
        self.assertEqual(sections["pci_gpus"], [])
        self.assertEqual(sections["cpu"], {"model": "", "sockets": 0, "threads": 0})
        self.assertEqual(list(reasons), ["services"])


class Services(unittest.TestCase):
    def test_parse(self):
        text = (
            "Id=nvidia-fabricmanager.service\nLoadState=loaded\nActiveState=failed\nSubState=failed\nUnitFileState=enabled\n\n"
            "Id=slurmd.service\nLoadState=not-found\nActiveState=inactive\nSubState=dead\nUnitFileState=\n"
        )
        self.assertEqual(
            services.parse(text),
            [
                {
                    "name": "nvidia-fabricmanager",
                    "load": "loaded",
                    "active": "failed",
                    "sub": "failed",
                    "enabled": "enabled",
                },
                {"name": "slurmd", "load": "not-found", "active": "inactive", "sub": "dead", "enabled": ""},
            ],
        )

    def test_one_command_asks_for_all_units(self):
        tree = Tree()
        self.addCleanup(tree.close)
        os.makedirs(tree.root + "/run/systemd/system")
        found = services.states(
            tree.root, ("/bin/sh", "-c", 'for u; do printf "Id=%s\\nActiveState=active\\n\\n" $u; done', "-")
        )
        self.assertEqual([service["name"] for service in found], list(services.UNITS))

    def test_a_systemd_that_does_not_answer(self):
        tree = Tree()
        self.addCleanup(tree.close)
        os.makedirs(tree.root + "/run/systemd/system")
        with self.assertRaises(OSError):
            services.states(tree.root, ("/bin/sh", "-c", "sleep 5"), seconds=0.05)
