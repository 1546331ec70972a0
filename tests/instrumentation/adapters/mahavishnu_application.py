"""An application that uses mahavishnu and is not instrumented by itself. Prints what it saw, as JSON on its last line.

Needs mahavishnu 0.14.0, whose wheel lacks a module (``monitoring.metrics``) that the test puts on the path.
"""

import asyncio
import contextlib
import http.server
import json
import threading

from mahavishnu.pools.base import BasePool, PoolConfig
from mahavishnu.pools.gpu_handler_pool import GpuHandlerPool
from mahavishnu.pools.manager import PoolManager, PoolSelector
from mahavishnu.terminal.adapters.mock import MockTerminalAdapter
from mahavishnu.terminal.manager import TerminalManager

# What a worker of the type ``terminal-shell`` takes for the end of a task: a prompt in the last line, or an error.
SUCCEEDS = "echo all is well $"
FAILS = "echo error: no such file $"
HANGS = "ls"


def task(task_id, prompt=SUCCEEDS, **more):
    return {"task_id": task_id, "task_type": "shell", "prompt": prompt, "timeout": 60, **more}


async def local_pool(manager, workers=1):
    """Spawn a pool of shells."""
    config = PoolConfig(
        name="shells",
        pool_type="mahavishnu",
        min_workers=workers,
        max_workers=max(workers, 1),
        worker_type="terminal-shell",
    )
    return await manager.spawn_pool("mahavishnu", config)


async def single_tasks(manager):
    """Run one task for each outcome: completed, failed, timeout, raised, cancelled."""
    shells = await local_pool(manager)
    seen = {"succeeds": await manager.execute_on_pool(shells, task("succeeds"))}
    seen["out-of-time"] = await manager.execute_on_pool(shells, task("out-of-time", HANGS, timeout=0.1))
    seen["routed"] = await manager.route_task(task("routed"), PoolSelector.ROUND_ROBIN)
    seen["fails"] = await manager.execute_on_pool(shells, task("fails", FAILS))
    nobody = await local_pool(manager, workers=0)
    seen["raises"] = await raised(manager.execute_on_pool(nobody, task("raises")))
    seen["cancelled"] = await cancelled(manager, [task("cancelled", HANGS)])
    return seen


async def raised(awaitable):
    try:
        return await awaitable
    except Exception as error:
        return repr(error)


async def cancelled(manager, tasks):
    """Cancel a task, or a batch, while its workers run it."""
    pool = manager._pools[await local_pool(manager, workers=len(tasks))]
    alone = len(tasks) == 1
    running = asyncio.ensure_future(
        manager.execute_on_pool(pool.pool_id, tasks[0]) if alone else pool.execute_batch(tasks)
    )
    history = manager.terminal_manager.adapter.get_command_history
    while not all(HANGS in history(worker) for worker in pool._workers):
        await asyncio.sleep(0.01)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    return running.cancelled()


async def batches(manager):
    """More tasks than workers, each with another result; and a batch without workers."""
    prompts = {"good": SUCCEEDS, "bad": FAILS, "slow": HANGS}  # round robin: a worker for each
    tasks = [task(f"{name}-{n}", prompt, timeout=0.3) for n in range(3) for name, prompt in prompts.items()]
    pool = manager._pools[await local_pool(manager, workers=3)]
    nobody = manager._pools[await local_pool(manager, workers=0)]
    return {
        "batch": await pool.execute_batch(tasks),
        "nobody": await raised(nobody.execute_batch([task("nobody-0"), task("nobody-1")])),
        "abandoned": await cancelled(manager, [task("abandoned-0", HANGS), task("abandoned-1", HANGS)]),
    }


async def concurrent_tasks(manager):
    """Run twenty tasks at once over two pools."""
    pools = [await local_pool(manager) for _ in range(2)]
    results = await asyncio.gather(
        *(
            manager.route_task(task(f"concurrent-{n}"), PoolSelector.AFFINITY, pool, caller_pool_allowlist=set(pools))
            for n, pool in enumerate(pools * 10)
        )
    )
    return {"concurrent": [result["pool_id"] for result in results]}


class GpuPool(GpuHandlerPool):
    """A pool with its own handler, which mahavishnu asks for."""

    def _build_endpoint(self):
        async def handle(task):
            if task["prompt"] == "wait":
                raise TimeoutError("the GPU timed out")
            if task["prompt"] == "crash":
                raise MemoryError("out of memory")
            return {"category": task["category"]}

        return handle


async def gpu(manager):
    """Run a pool whose ``execute_task`` calls that of its parent, and whose batch calls its ``execute_task``."""
    pool = GpuPool(PoolConfig(name="gpu", pool_type="runpod"))
    await pool.start()
    manager._pools[pool.pool_id] = pool
    prompts = {"gpu-good": "look", "gpu-slow": "wait", "gpu-bad": "crash"}
    tasks = [task(name, prompt, category="vision") for name, prompt in prompts.items()]
    seen = await pool.execute_batch([*tasks, task("gpu-rejected", category="text")])
    seen["gpu-alone"] = await manager.execute_on_pool(pool.pool_id, task("gpu-alone", "look", category="vision"))
    return {"gpu": seen}


class Fallback(BasePool):
    """A pool of the application, which delegates its tasks to another."""

    inner = None

    async def execute_task(self, task):
        result = await self.inner.execute_task({**task, "task_id": f"{task['task_id']}-inner"})
        return {**result, "pool_id": self.pool_id}

    async def execute_batch(self, tasks):
        return [await self.execute_task(task) for task in tasks]

    async def nothing(self, *args):
        return None

    start = scale = health_check = get_metrics = collect_memory = stop = nothing


async def delegated(manager):
    """Run a pool over a pool."""
    pool = Fallback(PoolConfig(name="fallback", pool_type="fallback"))
    pool.inner = manager._pools[await local_pool(manager)]
    return {"outer": await pool.execute_task(task("outer"))}


class SessionBuddy(http.server.BaseHTTPRequestHandler):
    """The server of a remote pool. The prompt decides the answer."""

    def do_POST(self):
        call = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer = getattr(self, call["name"])(call["arguments"])
        self.send_response(500 if answer is None else 200)
        self.end_headers()
        self.wfile.write(json.dumps({"result": answer}).encode())

    def worker_spawn(self, arguments):
        return [f"buddy-{n}" for n in range(arguments["count"])]

    def worker_execute(self, arguments):
        answers = {
            "good": {"status": "completed", "output": "done"},
            "slow": {"status": "timeout", "error": "the worker timed out"},
            "silent": {},
        }
        return answers.get(arguments["prompt"])

    def worker_execute_batch(self, arguments):
        tasks = arguments["tasks"]
        if tasks[0]["prompt"] == "broken":
            return None
        # By task id, and none for those it has no answer to.
        return {task["task_id"]: answer for task in tasks if (answer := self.worker_execute(task))}

    def log_message(self, *args):
        pass


async def remote(manager):
    """Run a pool that calls a server over HTTP."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), SessionBuddy) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        config = PoolConfig(name="remote", pool_type="session-buddy", extra_config={"session_buddy_url": url})
        pool = await manager.spawn_pool("session-buddy", config)
        singles = {
            name: await manager.execute_on_pool(pool, task(f"buddy-{name}", name))
            for name in ("good", "slow", "silent", "broken")
        }
        buddies = manager._pools[pool]
        batch = await buddies.execute_batch([task(f"buddies-{name}", name) for name in ("good", "slow", "unknown")])
        broken = await buddies.execute_batch([task(f"broken-{n}", "broken") for n in range(5)])
        await buddies._mcp_client.aclose()
        server.shutdown()
    return {"buddy": singles, "buddies": batch, "broken": broken}


async def main():
    seen = {}
    for scenario in (single_tasks, batches, concurrent_tasks, gpu, delegated, remote):
        manager = PoolManager(TerminalManager(MockTerminalAdapter(response_delay=0.01)))
        seen |= await scenario(manager)
    return seen


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main())))
