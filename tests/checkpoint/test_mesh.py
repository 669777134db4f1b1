"""Arrays that are spread over devices, in a process that has four."""

import os
import subprocess
import sys
from pathlib import Path

CODE = """
import sys
from pathlib import Path
import jax, jax.numpy as jnp, numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec as P
import tntjax as tnt
from tntjax.checkpoint._save import Saver

mesh = Mesh(np.array(jax.devices()).reshape(4), ("data",))
rows, everywhere = NamedSharding(mesh, P("data")), NamedSharding(mesh, P())
tree = {
    "params": jax.device_put(jnp.arange(32.0).reshape(8, 4), rows),
    "lr": jax.device_put(jnp.float32(0.5), everywhere),
    "key": jax.device_put(jax.random.key(5), everywhere),
}
saver = Saver(Path(sys.argv[1]), None, False)
saver.save(1, 0, tree, None, {})
jax.block_until_ready(jax.jit(lambda x: x * 0, donate_argnums=0)(tree["params"]))
saver.close()
like = {
    "params": jax.device_put(jnp.zeros((8, 4)), NamedSharding(mesh, P(None, "data"))),
    "lr": jax.device_put(jnp.float32(0), everywhere),
    "key": jax.device_put(jax.random.key(0), everywhere),
}
back = tnt.checkpoint.restore(sys.argv[1], like)
assert (np.asarray(back["params"]) == np.arange(32.0).reshape(8, 4)).all()
for name in like:
    assert back[name].sharding == like[name].sharding, name
assert float(back["lr"]) == 0.5
assert jax.random.key_data(back["key"]).tolist() == [0, 5]
one = tnt.checkpoint.restore(sys.argv[1], {"params": jnp.zeros((8, 4))})["params"]
assert len(one.sharding.device_set) == 1 and float(one.sum()) == 496
print("well")
"""


def test_they_come_back_to_where_they_are_wanted(tmp_path):
    flags = "--xla_force_host_platform_device_count=4"
    result = subprocess.run(
        [sys.executable, "-c", CODE, str(tmp_path)],
        cwd=Path(__file__).parents[2],
        env=os.environ | {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": flags},
        capture_output=True,
        text=True,
    )
    assert result.stdout == "well\n", result.stderr
