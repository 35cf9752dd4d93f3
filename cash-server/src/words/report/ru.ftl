
### Что сообщается по почте и вебхуками, и отчёт.

nav-report = Отчёт
report-of = { $server }: на что посмотреть, { $place }
report-tills = Всё, что нужно, есть на { $current } из { $total } касс.
report-others = В пути: { $behind }; молчат: { $silent }; на ремонте: { $parked }.
report-place = Где
report-since = С какого времени
report-known = Что известно
report-shift = смена { $number }: { $why }
attention-slow = Медленные кассы
todo-slow = На связи, но пять минут или дольше не получают того, что должны. Причина говорит, чего они ждут; посмотрите на кассе: sync-agent status.
attention-shift-late = Смены, пришедшие не полностью
todo-shift-late = Закрыты, а документы ещё не все. Обычно они приходят за минуты; запросите документы этого дня: cash-server unload.
attention-unsent = Письма или вызовы вебхуков не дошли
todo-unsent = Их пытались отправить сутки и перестали. Проверьте настройки [mail] и [alerts] и адреса людей; пробное письмо покажет, доходит ли почта.
mail-off = Письма не отправляются: в настройках не указан почтовый сервер ([mail]).
mail-mine = Мои письма…
mailing = Письма
mailing-explained = Отчёт за день и то, о чём сообщается сразу: о вашей части сети и на вашем языке.
mail-address = Адрес
mail-language = Язык
mail-report = Отчёт каждый день
mail-wants-held-load = Сразу: загрузка ждёт «да» или «нет»
mail-wants-silent-shop = Сразу: магазин молчит
mail-wants-shift-differs = Сразу: смена не сходится
mail-set = Сохранить
mail-none = нет
trial-send = Отправить отчёт сейчас, на пробу
trial-send-to = Отправить сейчас на { $address }
trial-sent = Письмо в пути. Если оно не придёт за несколько минут, причину скажет страница «Сервер».
mail-report-subject = { $server }, { $place }: { $n ->
    [0] всё в порядке
    [one] { $n } замечание
    [few] { $n } замечания
   *[many] { $n } замечаний
}
mail-trial-subject = Проба: { $server }, { $place }: { $n ->
    [0] всё в порядке
    [one] { $n } замечание
    [few] { $n } замечания
   *[many] { $n } замечаний
}
mail-alerts-subject = { $server }: { $n ->
    [one] { $n } сообщение
    [few] { $n } сообщения
   *[many] { $n } сообщений
}
mail-alerts-of = { $server }: что произошло
mail-trial = Это проба. Она показывает, что письма доходят.
mail-why = Вы получаете это письмо, потому что так выбрано на странице «Моя учётная запись».
alert-since = с { $time }
alert-until = до { $time }
alert-held-load-start = Загрузка ({ $place }) ждёт «да» или «нет»
alert-held-load-growth = Загрузка ({ $place }) всё ещё ждёт «да» или «нет»
alert-held-load-end = Загрузка ({ $place }) больше не ждёт
alert-silent-shop-start = Молчит { $place }, { $n ->
    [one] { $n } касса
    [few] все { $n } кассы
   *[many] все { $n } касс
}
alert-silent-shop-growth = Всё ещё молчит { $place }, теперь { $n ->
    [one] { $n } касса
    [few] все { $n } кассы
   *[many] все { $n } касс
}
alert-silent-shop-end = Снова на связи: { $place }
alert-shift-differs-start = { $n ->
    [one] Не сходится смена
    [few] Не сходятся { $n } смены
   *[many] Не сходятся { $n } смен
} на кассе { $place }
alert-shift-differs-growth = { $n ->
    [one] Не сходится смена
    [few] Не сходятся уже { $n } смены
   *[many] Не сходятся уже { $n } смен
} на кассе { $place }
alert-shift-differs-end = Все смены сходятся на кассе { $place }
task-alerts = Поиск того, о чём сообщается сразу
task-daily-report = Отчёт за день
task-outbox = Отправка писем, вызов вебхуков
audit-user-mail = Изменены письма пользователя
audit-report-trial = Запрошено пробное письмо
outbox = Письма и вебхуки
outbox-sent = Последнее { $age }
outbox-none = Ничего ещё не отправлено
outbox-waiting = ждут: { $n }
cli-user-mail = { $login }: { $address }, { $language }; отчёт: { $report }; сразу: { $alerts }
cli-trial-sent = пробное письмо для { $login } в пути
log = Журнал работы
log-explained = Что сервер записал с запуска: последние строки, сколько их помнится. Всё целиком есть в файле журнала или в системном журнале.
log-all = Все
log-info = От сообщений
log-warn = От предупреждений
log-error = Ошибки
log-text = Текст в строке
log-find = Найти
log-when = Когда
log-level = Уровень
log-said = Что записано
log-cut = Есть ещё: сузьте отбор или спросите: cash-server log.
log-none = Таких строк нет.
backups = Резервные копии
backup-of = На этот момент
backup-rehearsed = Как прошла проверку
backup-verified = прочитана после записи
databases = Базы данных
database = Файл
database-log = Ещё не внесено
database-schema = Схема
size = Размер
kib = { $n } КиБ
keeps = Что сколько хранится
keep-what = Что
keep-long = Сколько
keep-oldest = Самое старое
keep-setting = Настройка
keep-ever = всегда
keep-days = { $n ->
    [one] { $n } день
    [few] { $n } дня
   *[many] { $n } дней
}
keep-most = не больше { $n } МиБ
keep-receipts = Чеки, смены, замечания
keep-prices = Прежние цены и версии справочника
keep-loads = Отчёты о загрузках, доставки, приказы
keep-audit = Кто что сделал
keep-packages = Пакеты для касс
keep-files = Загруженные файлы
keep-backups = Резервные копии
act-read-log = читать журнал работы сервера

why-no-mail-address = `{ $text }` не адрес почты: пишите так: anna@example.org
why-no-language = `{ $text }` не язык: en или ru
why-no-alert = о `{ $text }` сразу не сообщается: held-load, silent-shop или shift-differs
why-no-mail-server = письма не отправляются: в настройках не указан почтовый сервер ([mail])
why-no-mail-of = у { $login } нет адреса почты
why-too-much-waits = для этого получателя уже ждут { $max } сообщений
why-mail-not-sent = почтовый сервер { $server } не принял письмо: { $detail }
why-mail-too-slow = почтовый сервер { $server } не принял письмо за { $seconds } с
why-mail-not-made = письмо не удалось составить: { $detail }
why-sending-file-unread = не удалось прочитать файл { $path }: { $detail }
why-hook-unreachable = вебхук { $host } недоступен: { $detail }
why-hook-refused = вебхук { $host } ответил { $status }
why-no-log-level = уровень журнала: error, warn, info, debug или trace
