"""What effects and policies are judged by: rows that were observed, nuisances and scores."""

# SPDX-License-Identifier: BSD-3-Clause
