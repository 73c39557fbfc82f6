"""Diagnoses of ICD-9-CM in groups: its chapters, parted where the heart, the
kidneys, the lungs or diabetes are concerned.

Source: chapters and sections of the International Classification of Diseases,
9th revision, Clinical Modification (US National Center for Health Statistics).
"""  # noqa: D205

import numpy as np
from numpy.typing import NDArray

# A V code counts from 1000 on and an E code from 2000, so that one order holds all.
_V, _E = 1000.0, 2000.0

# Where each group begins; it ends where the next does. A group may come twice.
_BEGINS: tuple[tuple[float, str], ...] = (
    (0, "infection"),
    (38, "sepsis"),
    (39, "infection"),
    (140, "cancer"),
    (196, "metastatic cancer"),
    (200, "cancer of blood"),
    (210, "other neoplasm"),
    (240, "thyroid"),
    (250, "diabetes"),
    (250.1, "diabetes, acute complication"),
    (250.4, "diabetes, late complication"),
    (251, "endocrine and metabolic"),
    (276, "fluids and electrolytes"),
    (277, "endocrine and metabolic"),
    (280, "blood"),
    (290, "dementia"),
    (295, "psychosis"),
    (300, "other mental"),
    (303, "alcohol and drugs"),
    (306, "other mental"),
    (320, "nerves and senses"),
    (390, "other heart"),
    (401, "hypertension"),
    (402, "hypertension of heart"),
    (403, "hypertension of kidney"),
    (405, "hypertension"),
    (410, "infarction"),
    (411, "ischaemic heart"),
    (415, "lung circulation"),
    (420, "other heart"),
    (426, "arrhythmia"),
    (428, "heart failure"),
    (429, "other heart"),
    (430, "stroke"),
    (440, "arteries"),
    (451, "veins"),
    (460, "other respiratory"),
    (480, "pneumonia"),
    (490, "chronic lung"),
    (493, "asthma"),
    (494, "chronic lung"),
    (500, "other respiratory"),
    (520, "stomach and bowel"),
    (570, "liver"),
    (574, "gallbladder and pancreas"),
    (578, "stomach and bowel"),
    (580, "other kidney"),
    (584, "acute kidney failure"),
    (585, "chronic kidney disease"),
    (588, "other kidney"),
    (590, "urinary"),
    (600, "genital"),
    (630, "pregnancy"),
    (680, "skin infection"),
    (690, "other skin"),
    (707, "skin ulcer"),
    (708, "other skin"),
    (710, "joints and back"),
    (725, "soft tissue and bone"),
    (740, "congenital"),
    (780, "symptoms"),
    (785, "chest symptoms"),
    (787, "abdominal symptoms"),
    (790, "symptoms"),
    (800, "fracture"),
    (830, "injury"),
    (996, "complication of care"),
    (_V, "other contact"),
    (_V + 57, "rehabilitation"),
    (_V + 58, "aftercare"),
    (_V + 59, "other contact"),
    (_E, "external cause"),
)
NONE = "none"
GROUPS = (NONE, *dict.fromkeys(name for _, name in _BEGINS))


def group(codes: NDArray[np.object_]) -> NDArray[np.int64]:
    """Sort codes as written, such as 428, 250.13 or V57, into ``GROUPS``.

    Parameters
    ----------
    codes
        (n,) text; empty is no diagnosis.

    Returns
    -------
    (n,) places in ``GROUPS``; 0 for none.

    Raises
    ------
    ValueError
        If a code is none of ICD-9's.
    """
    written, place = np.unique(codes.astype(str), return_inverse=True)
    return np.array([_group(code) for code in written])[place]


def _group(code: str) -> int:
    if not code:
        return 0
    start = {"V": _V, "E": _E}.get(code[0], 0.0)
    number = start + float(code.lstrip("VE"))
    begins = [first for first, _ in _BEGINS]
    name = _BEGINS[int(np.searchsorted(begins, number, side="right")) - 1][1]
    return GROUPS.index(name)
