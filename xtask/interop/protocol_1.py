"""What devices take in protocol 1."""


def takes(*commands, **counted):
    """Commands, with the counts of features where there are some."""
    return {**counted, **dict.fromkeys([*commands, "StopDeviceCmd"])}


TAKES = {
    "one motor": takes("SingleMotorVibrateCmd", VibrateCmd=1),
    "two motors": takes("SingleMotorVibrateCmd", VibrateCmd=2),
    "rotation": takes("SingleMotorVibrateCmd", "VorzeA10CycloneCmd", VibrateCmd=1, RotateCmd=1),
    "constriction": takes("SingleMotorVibrateCmd", VibrateCmd=1),
    "stroker": takes("FleshlightLaunchFW12Cmd", LinearCmd=1),
}
