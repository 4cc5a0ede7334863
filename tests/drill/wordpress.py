# SPDX-License-Identifier: Apache-2.0
"""The drill with real WordPress pages: PHP's own web server, Debian's WordPress."""
