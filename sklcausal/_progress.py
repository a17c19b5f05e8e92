"""Show the progress of training."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from typing import Any

from skorch.callbacks import Callback


class ProgressBar(Callback):
    """Show epochs, loss and remaining time.

    Parameters
    ----------
    label : str
        What is being trained.
    total : int
        Most epochs there can be.
    """

    def __init__(self, label: str, total: int):
        self.label, self.total = label, total

    def on_train_begin(self, net: Any, **kwargs: Any) -> None:
        """Open the bar.

        Parameters
        ----------
        net : MemberNet
        **kwargs : object
        """
        from tqdm.auto import tqdm

        self.bar_ = tqdm(total=self.total, initial=net.epoch_, desc=self.label, unit="epoch")

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        """Move the bar on.

        Parameters
        ----------
        net : MemberNet
        **kwargs : object
        """
        last = net.history[-1]
        loss = last.get("valid_loss", last.get("train_loss"))
        self.bar_.set_postfix(loss=f"{loss:.4f}", members=len(net.active_), refresh=False)
        self.bar_.update()

    def on_train_end(self, net: Any, **kwargs: Any) -> None:
        """Close the bar.

        Parameters
        ----------
        net : MemberNet
        **kwargs : object
        """
        # most nets stop, or are dropped, before the last epoch that there could be
        self.bar_.total = self.bar_.n
        self.bar_.refresh()
        self.bar_.close()
