/** The dialog that chooses microphone, camera and speaker; it follows what is plugged in and out. */

import { byId, make, setText, show } from "./dom.js";
import { words } from "./words.js";

const KINDS = ["audioinput", "videoinput", "audiooutput"];

export class Devices {
  #roost;
  #stage;

  constructor(roost, stage) {
    this.#roost = roost;
    this.#stage = stage;
    for (const kind of KINDS) {
      byId(`device-${kind}`).addEventListener("change", async (event) => {
        await roost.useDevice(kind, event.target.value);
        if (kind === "audiooutput") this.#stage.applySpeaker();
      });
    }
    byId("open-devices").addEventListener("click", () => this.open());
  }

  open() {
    if (byId("devices").open) return;
    byId("devices").showModal();
    this.#roost.local.refreshDevices().then(() => this.render());
  }

  render() {
    if (!byId("devices").open) return;
    const { devices, chosen, audio, video } = this.#roost.local;
    const inUse = {
      audioinput: audio.track?.getSettings().deviceId ?? chosen.audioinput,
      videoinput: video.track?.getSettings().deviceId ?? chosen.videoinput,
      audiooutput: chosen.audiooutput,
    };
    const canChooseSpeaker = "setSinkId" in HTMLMediaElement.prototype && devices.audiooutput.length > 0;
    show(byId("speaker-field"), canChooseSpeaker);
    for (const kind of KINDS) this.#fill(byId(`device-${kind}`), kind, devices[kind], inUse[kind]);
    const unnamed = devices.audioinput.length + devices.videoinput.length === 0 || devices.audioinput.some((each) => !each.label);
    setText(byId("devices-hint"), unnamed ? words.devices.unnamedHint : canChooseSpeaker ? "" : words.devices.systemSpeaker);
  }

  #fill(select, kind, list, current) {
    const shape = JSON.stringify([list, current]);
    if (select.dataset.shape === shape) return;
    select.dataset.shape = shape;
    select.replaceChildren(
      ...(list.length > 0
        ? list.map(({ deviceId, label }, at) => make("option", { value: deviceId, text: label || `${words.devices.unnamed[kind]} ${at + 1}` }))
        : [make("option", { value: "", text: words.devices.none[kind] })]),
    );
    select.disabled = list.length === 0;
    if (current && list.some((each) => each.deviceId === current)) select.value = current;
  }
}
