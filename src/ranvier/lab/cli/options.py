"""Options made from settings: what a command is about decides which options it has, and what their defaults are.

A `SettingsCommand` looks at its arguments twice. The first time it finds out what it is about, say an experiment with
the choices that the arguments make; each setting of that becomes an option. The second time it reads their values.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import click
from click.shell_completion import CompletionItem

from ranvier.lab.listing import nearest
from ranvier.lab.ranges import SettingError, members
from ranvier.lab.settings import Setting, convert, everywhere, missing, settings

Subject = Callable[[click.Context, Sequence[str]], Any]
"""From the arguments, what a command is about, or None if they do not say."""

SUBJECT, MADE = "ranvier.subject", "ranvier.options"


class SettingsCommand(click.Command):
    """A command with an option for every setting of what it is about.

    Args:
        subject: What it is about, from its arguments.
        words: What the help says, given what it is about; None where the arguments do not say.
        offered: The settings to make options of, given what it is about.
        **attributes: As for `click.Command`.
    """

    def __init__(
        self,
        subject: Subject,
        words: Callable[[Any], str],
        *,
        offered: Callable[[Any], Mapping[str, Setting]] = settings,
        **attributes: Any,
    ):
        super().__init__(**attributes)
        self.subject, self.words, self.offered = subject, words, offered

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Make the options, then read them."""
        try:
            about = self.subject(ctx, args)
        except (ValueError, OSError, click.UsageError):
            if not ctx.resilient_parsing:  # while a shell completes a command, it need not make sense yet
                raise
            about = None
        ctx.meta[SUBJECT] = about
        ctx.meta[MADE] = [option_for(one) for one in self.offered(about).values()] if about is not None else []
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            raise click.UsageError(self._unknown(ctx, error.option_name), ctx) from error

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Its own parameters, and those that were made."""
        own = super().get_params(ctx)
        return [*own[:-1], *ctx.meta.get(MADE, []), own[-1]]  # help stays last

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """What it does."""
        with formatter.indentation():
            formatter.write_paragraph()
            formatter.write_text(self.words(ctx.meta.get(SUBJECT)))

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """One section for the command's own options, and one for each part of what it is about."""
        made = {option.name: option for option in ctx.meta.get(MADE, [])}
        own = [one for one in self.get_params(ctx) if isinstance(one, click.Option) and one.name not in made]
        _section(ctx, formatter, "Options", own)
        about = ctx.meta.get(SUBJECT)
        groups: dict[str, list[click.Parameter]] = {}
        for name, one in (self.offered(about) if about is not None else {}).items():
            groups.setdefault(one.group or (name if one.choices else ""), []).append(made[name])
        for group, options in groups.items():
            _section(ctx, formatter, group.capitalize() or "Numbers", options)

    def _unknown(self, ctx: click.Context, option: str) -> str:
        """Why there is no such option."""
        about, name = ctx.meta.get(SUBJECT), option.lstrip("-").replace("-", "_")
        if about is not None and name in everywhere(about):
            return f"{option} {missing(about, name)}"
        known = [word for parameter in self.get_params(ctx) for word in parameter.opts if word.startswith("--")]
        return f"{option} is not an option{nearest(option, known)}"


class SettingType(click.ParamType):
    """The type of an option for a setting.

    Args:
        setting: The setting.
    """

    name = "setting"

    def __init__(self, setting: Setting):
        self.setting = setting

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The value of some text."""
        try:
            return convert(self.setting, value)
        except SettingError as error:
            raise click.UsageError(told(error), ctx) from error

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """The words that it may be."""
        return [CompletionItem(word) for word in words(self.setting) if word.startswith(incomplete)]


def option_for(setting: Setting) -> click.Option:
    """The option of a setting.

    Example:
        >>> from ranvier.lab.cli.options import option_for
        >>> from ranvier.lab.settings import Setting
        >>> option_for(Setting("delay_low", ("model", "delay", "low"), 0.5, float, "Smallest delay (ms).")).help
        'Smallest delay (ms). [default: 0.5]'
    """
    flag = f"--{setting.name.replace('_', '-')}"
    facts = [setting.brief] if setting.brief else []
    facts += [f"default: {text_of(setting.value)}"] if setting.value != () else []
    told = setting.meaning + (f" [{'; '.join(facts)}]" if facts else "")
    if setting.kind is bool:
        return click.Option([f"{flag}/--no-{flag[2:]}"], default=None, help=told)
    return click.Option([flag], type=SettingType(setting), default=None, help=told, metavar=_metavar(setting))


def given_settings(ctx: click.Context) -> dict[str, Any]:
    """The settings that were given as options."""
    names = [option.name for option in ctx.meta[MADE]]
    return {name: ctx.params[name] for name in names if ctx.params[name] is not None}


def scan(arguments: Sequence[str], names: Sequence[str]) -> dict[str, str]:
    """Values of some options, before it is known which options there are.

    Example:
        >>> from ranvier.lab.cli.options import scan
        >>> scan(["yin-yang", "--delay", "axonal", "--method=surrogate", "--hidden", "3"], ["delay", "method"])
        {'delay': 'axonal', 'method': 'surrogate'}
    """
    found = {}
    for word, following in zip_longest(arguments, arguments[1:], fillvalue=""):
        option, equals, value = word.partition("=")
        name = option[2:].replace("-", "_") if option.startswith("--") else ""
        if name in names and (equals or following):
            found[name] = value if equals else following
    return found


def told(error: SettingError) -> str:
    """What is wrong with an option, in a sentence."""
    return f"--{error.name.replace('_', '-')} {error.problem}"


def words(setting: Setting) -> list[str]:
    """The words that a setting may be, if there are few."""
    if get_origin(setting.kind) is Literal:
        return list(map(str, get_args(setting.kind)))
    return list(setting.choices)


def text_of(value: Any) -> str:
    """A value as it is written on the command line.

    Example:
        >>> from ranvier.lab.cli.options import text_of
        >>> [text_of(value) for value in (None, True, 0.5, (1, 2), "")]
        ['none', 'true', '0.5', '1,2', '""']
    """
    if isinstance(value, tuple):
        return ",".join(map(text_of, value))
    if value is None:
        return "none"
    return str(value).lower() if isinstance(value, bool) else str(value) or '""'


def _metavar(setting: Setting) -> str:
    few = words(setting)
    if few:
        return "|".join(few)
    names: Mapping[Any, str] = {int: "N", float: "X", str: "TEXT", Path: "FILE"}
    if get_origin(setting.kind) is tuple:
        name = names[get_args(setting.kind)[0]]
        return f"{name},{name},..."
    return next((names[kind] for kind in members(setting.kind) if kind in names), "TEXT")


def _section(
    ctx: click.Context, formatter: click.HelpFormatter, title: str, parameters: Sequence[click.Parameter]
) -> None:
    records = [record for parameter in parameters if (record := parameter.get_help_record(ctx)) is not None]
    if records:
        with formatter.section(title):
            formatter.write_dl(records)
