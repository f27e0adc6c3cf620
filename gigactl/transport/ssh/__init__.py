"""SSH: paramiko's protocol code with our socket, keys and host key rules, behind the transport seam."""

from gigactl.transport.ssh.options import SshOptions
from gigactl.transport.ssh.transport import SshTransport

__all__ = ["SshOptions", "SshTransport"]
