"""The course on The Littlest JupyterHub: copied into /opt/tljh/config/jupyterhub_config.d.

docs/hub.md says what to type, and where the numbers come from.
"""

COURSE = (
    "/srv/course"  # students read it: data/ has MNIST's four files, runs/ what `make runs` made
)
RUNS = "~/.cache/labutils/runs"  # of one's own, and the first, which is written

c = get_config()  # noqa: F821

# a student's server and the kernels of all open notebooks, together
c.Spawner.mem_limit = "2G"
c.Spawner.cpu_limit = 2
c.Spawner.environment = {
    "LABUTILS_DATA": f"{COURSE}/data",
    "LABUTILS_RUNS": f"{RUNS}:{COURSE}/runs",
    "OMP_NUM_THREADS": "2",  # torch would count the machine's cores, not those of the limit
}
# the kernel of a notebook that nobody has open, after half an hour
c.Spawner.args = ["--MappingKernelManager.cull_idle_timeout=1800"]

# when a whole class comes at once
c.JupyterHub.concurrent_spawn_limit = 100
c.Spawner.start_timeout = 300  # seconds
c.Spawner.http_timeout = 120
