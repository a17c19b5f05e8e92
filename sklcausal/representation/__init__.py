"""Estimators in which arms share a learned representation."""

# SPDX-License-Identifier: BSD-3-Clause

from sklcausal.representation._cfrnet import CFRNet
from sklcausal.representation._dragonnet import DragonNet
from sklcausal.representation._flextenet import FlexTENet
from sklcausal.representation._mitnet import MitNet
from sklcausal.representation._riesznet import RieszNet
from sklcausal.representation._snet import SNet
from sklcausal.representation._tarnet import TARNet
from sklcausal.representation._vcnet import VCNet

__all__ = ["CFRNet", "DragonNet", "FlexTENet", "MitNet", "RieszNet", "SNet", "TARNet", "VCNet"]
