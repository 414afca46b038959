"""Every bad configuration: `check-config` names it, `serve` ends at once with the same, and nothing is made."""

import asyncio
import socket

import pytest
from typer.testing import CliRunner

from gateway.cli import app
from gateway.config import load
from gateway.errors import Misconfigured
from mock_axis.scene import Scene, command
from tests.assets import make_configs as assets


@pytest.mark.parametrize("name", assets.REFUSED)
def test_a_bad_configuration_is_refused_by_the_name_of_what_is_wrong(tmp_path, name):
    field, data = assets.REFUSED[name]
    path = tmp_path / "lienthong.toml"
    path.write_bytes(data)
    result = CliRunner().invoke(app, ["check-config", str(path)])
    assert result.exit_code == 1, result.output
    assert f"{path if field == assets.FILE else field}: " in result.stderr
    assert "Traceback" not in result.output
    assert assets.SECRET not in result.output
    with pytest.raises(Misconfigured) as caught:  # what `serve` does first
        load(path)
    assert assets.SECRET not in str(caught.value)
    assert list(tmp_path.iterdir()) == [path]


async def serve(scene):
    """(exit code, what it said) of a gateway that must not come up."""
    process = await asyncio.create_subprocess_exec(
        *command(), "serve", "--config", str(scene.config), stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(20):
            return await process.wait(), (await process.stderr.read()).decode()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


SPOILT = {
    "data_dir is a file": (lambda scene: (scene.folder / "data").write_text("x"), "data"),
    "a key is garbage": (lambda scene: (scene.folder / "keys" / "a.key.pem").write_text("x"), "a.key.pem"),
    "a trusted certificate is garbage": (
        lambda scene: next((scene.folder / "trust").glob("*/*.pem")).write_text("x"),
        ".pem",
    ),
}


@pytest.mark.parametrize("name", SPOILT)
async def test_what_it_names_is_spoilt_and_serve_says_so_in_a_line(tmp_path, made_pki, name):
    import shutil

    from mock_axis import pki

    spoil, named = SPOILT[name]
    scene = Scene(tmp_path / "scene")
    scene.folder.mkdir()
    (scene.folder / "pki").symlink_to(made_pki)
    made = pki.Pki(made_pki)
    shutil.copytree(made.gateway_keys(), scene.folder / "keys")
    shutil.copytree(made.gateway_trust(), scene.folder / "trust")
    scene.lay_out()
    text = scene.config.read_text()
    for folder in ("keys", "trust"):
        text = "\n".join(
            f'{folder} = "{folder}"' if line.startswith(f"{folder} =") else line for line in text.split("\n")
        )
    scene.config.write_text(text)
    spoil(scene)
    code, said = await serve(scene)
    assert code == 1
    assert "Traceback" not in said
    assert named in said
    (line,) = [line for line in said.strip().split("\n") if not line.startswith("{")]
    assert line.startswith("lienthong: ")


async def test_a_port_that_is_taken_is_said_in_a_line(tmp_path, made_pki):
    scene = Scene(tmp_path / "scene")
    scene.folder.mkdir()
    (scene.folder / "pki").symlink_to(made_pki)
    scene.lay_out()
    with socket.create_server(("127.0.0.1", scene.api_port)):
        code, said = await serve(scene)
    assert code == 1
    assert "Traceback" not in said
    assert str(scene.api_port) in said
