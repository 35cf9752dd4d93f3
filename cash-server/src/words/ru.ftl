### Слова для людей, по-русски. В `en.ftl` те же сообщения с теми же параметрами.

## The page

language = Язык
connection-lost = Сервер не отвечает. На странице данные последнего ответа.
summary = Сводка
revision = Ревизия
revisions = Ревизии
tills-current = Актуальных касс
of = { $n } из { $total }
broker = Брокер
broker-consuming = на связи
broker-down = нет связи
as-of = На момент
attention = Требует внимания
tills = Кассы
shop = Магазин
till = Касса
condition = Состояние
has-revision = Ревизия на кассе
data-age = Возраст данных
last-contact = Последняя связь
delivery = Доставка
rows = Записей
unsent = Не выгружено документов
no-tills = Касс пока нет. Добавить: cash-server node add
and-more = и ещё { $n }
sales-by-shift = Продажи по сменам
shift = Смена
opened = Открыта
closed = Закрыта
receipts-till = Чеков на кассе
receipts-server = Чеков здесь
sum-till = Сумма на кассе
sum-server = Сумма здесь
check = Сверка
no-shifts = Продаж пока нет.
loads = Загрузки
load = Загрузка
layer = Слой
source = Источник
accepted = Принята
took = Длилась
status = Статус
added = Добавлено
changed = Изменено
deleted = Удалено
unchanged = Без изменений
rejected = Отклонено
rejected-records = Отклонённые записи: { $n }
line = строка { $n }:
seconds = { $n } с
no-loads = Загрузок пока нет.
load-progress = прочитано { $percent } %, записей: { $records }
deliveries = Доставки
package = Пакет
objects = Объектов
bytes = Байт
state = Состояние
updated = Обновлено
no-deliveries = Доставок пока нет.
broker-blocked = не принимает сообщения
notices = Отклонённые записи и предупреждения
notices-explained = Они остаются здесь, пока их кто-нибудь не просмотрит или пока следующая загрузка не принесёт тот же объект без ошибки.
notice-what = Что случилось
line-in-file = Строка
seen = Просмотрено
seen-all = Просмотрено всё
warning = предупреждение
reject = отклонено
warnings = Предупр.
warnings-of-load = Предупреждений: { $n }
acknowledge = Просмотрено
aside = Отложено
unknown = неизвестно
in-future = в будущем: часы кассы

## What the server does by itself

background = Что сервер делает сам
background-tasks = { $n ->
    [one] { $n } задача
    [few] { $n } задачи
   *[other] { $n } задач
 }
background-failing = из них с ошибкой: { $n }
task = Задача
last-run = Последний раз
next-run = Через
task-fine = в порядке
task-new = ещё не запускалась
task-runs = выполняется { $age }
task-failed = { $n ->
    [one] ошибка { $n } раз подряд
    [few] ошибка { $n } раза подряд
   *[other] ошибка { $n } раз подряд
 }
task-reconciler = Доставка кассам того, чего у них нет
task-intake = Загрузка справочников
task-intake-cleaning = Удаление старых файлов и загрузок
task-intake-packing = Сжатие загруженных файлов
task-status-callbacks = Сообщения серверам статусов о загрузках
task-sales-loader = Загрузка продаж в базу
task-sales-checks = Сверка смен, которые ждут документов
task-sales-files = Файлы продаж для учётной системы
task-sales-file-requests = Файлы продаж по запросу
task-old-receipts = Удаление старых чеков
task-old-packages = Удаление ненужных пакетов
task-old-deliveries = Удаление старых доставок и команд
task-old-dictionary = Удаление старых версий справочников
task-old-audit = Удаление старых строк журнала действий

## Ages

age-seconds = { $n } с
age-minutes = { $n } мин
age-hours = { $n } ч
age-days = { $n } дн
for-age = уже { $age }
silent-for = уже { $age }
clock-ahead = часы спешат на { $age }
clock-behind = часы отстают на { $age }

## States of tills and deliveries, checks of shifts

condition-trouble = сбой
condition-silent = молчит
condition-never-heard-of = не выходила на связь
condition-behind = отстаёт
condition-current = актуальна
condition-parked = на ремонте
delivery-announced = объявлена
delivery-downloaded = скачана
delivery-queued = в очереди кассы
delivery-applied = загружена
delivery-rejected = отклонена
delivery-expired = просрочена
delivery-superseded = заменена новой
verdict-open = открыта
verdict-waiting = ждём документы
verdict-agrees = сходится
verdict-differs = расхождение
condition-sales-wait = чеки не поступают
sales-wait-refused = сервер не принимает её продажи
sales-wait-tls = не устанавливается TLS
sales-wait-unreachable = сервис продаж недоступен с кассы
sales-wait-interrupted = поток продаж обрывается
sales-wait-documents-locked = documents.db заблокирована
sales-wait-documents-unreadable = documents.db не читается
sales-wait-documents-missing = documents.db пропала
sales-wait-agent = агент не может выгрузить
sales-wait-other = причина указана выше

## What needs a look, and what to do about it

attention-silent = Касса молчит
todo-silent = Проверьте связь магазина, затем кассу.
attention-trouble = Сбой на кассе
todo-trouble = Сервер повторит попытку сам; причина указана.
attention-shift = Замечание о смене
todo-shift = Сверьте смену с кассой; документы за день можно запросить: cash-server unload.
attention-load = Загрузка с отказами
todo-load = Исправьте файл и передайте его ещё раз.
attention-finding = Замечание
todo-finding = Разберитесь и закройте замечание через REST.
attention-finding-shift-differs = Смена не сходится
todo-finding-shift-differs = В тексте указано, что не сходится и что поможет. Продажи за день можно запросить снова: cash-server unload.
attention-finding-receipt-conflict = Чек пришёл повторно с другим содержимым
todo-finding-receipt-conflict = Сохранён первый чек. Сверьте оба с фискальным накопителем и закройте замечание через REST.
attention-finding-numbers-again = Номера документов выданы повторно
todo-finding-numbers-again = Все эти чеки сохранены и учтены. Сверьте их с фискальным накопителем и закройте замечание через REST.
attention-finding-document-refused = Документ отложен
todo-finding-document-refused = Исправьте документ в кассовой программе или обновите её, затем повторите его передачу. Замечание закроется само, когда документ будет принят.
attention-finding-shift-refused = Запись смены отложена
todo-finding-shift-refused = Исправьте запись смены в кассовой программе или обновите её, затем повторите передачу. Замечание закроется само, когда придёт верная запись.
attention-finding-shift-changed = Запись закрытой смены изменилась
todo-finding-shift-changed = Замечание закроется само, когда касса, запись смены и сервер сойдутся. Иначе сверьте смену с фискальным накопителем и закройте замечание через REST.
attention-finding-instance-changed = Продажи кассы передаёт другая установка
todo-finding-instance-changed = Так бывает, если кассу установили заново или восстановили. Иначе ищите вторую машину с её настройками. Замечание закроется само, когда сутки продажи передаёт одна машина.
attention-finding-two-machines = Один код кассы на двух машинах
todo-finding-two-machines = Заведите для одной из машин отдельную кассу и перенесите туда её настройки. Замечание закроется само, когда сутки продажи передаёт одна машина.
attention-finding-failed-logins = Вход с неверным токеном
todo-finding-failed-logins = Дайте кассе новый токен (cash-server till settings --new-token) и перенесите его на кассу или выясните, кто ещё входит под её кодом. Замечание закроется само, когда касса войдёт.
attention-finding-spool-damaged = Повреждена часть буфера продаж
todo-finding-spool-damaged = Проверьте диск. Неподтверждённое осталось на кассе; запросите продажи за этот день снова: cash-server unload, затем закройте замечание через REST.
attention-finding-spool-missing = Нет части буфера продаж
todo-finding-spool-missing = Запросите у касс продажи за недостающие дни: cash-server unload, затем закройте замечание через REST.
attention-disk = Диск почти заполнен
todo-disk = Когда свободного места станет меньше резерва, приём остановится: освободите место на диске с данными или увеличьте диск.
attention-sales-database = База продаж не отвечает
todo-sales-database = Продажи ждут в очереди и не потеряны. Посмотрите журнал, проверьте диск и sales.db.
attention-broker = Нет связи с брокером
todo-broker = Проверьте, что RabbitMQ работает и настройки [broker] верны. Сервер повторяет попытки сам; кассы продолжают продавать.
attention-broker-blocked = Брокер не принимает сообщения: мало памяти или места на его диске
todo-broker-blocked = Освободите память или место на машине брокера. После этого обмен продолжится сам.
attention-two-machines = Один код кассы на двух машинах
todo-two-machines = Под этим кодом отчитываются две машины. Заведите для одной из них отдельную кассу и перенесите туда её настройки, затем отметьте как просмотренное.
attention-claimed = Касса называет ревизию, которую здесь не получала
todo-claimed = Ревизию, о которой она сообщает, этот сервер ей не выдавал: диск с кассы другого сервера, или за неё отвечает кто-то другой. Все данные будут переданы ей заново сами. Если это повторится, проверьте машину и обновите агент, затем отметьте как просмотренное. После восстановления этого сервера из резервной копии касса с агентом v0.1 пропускает эти данные: об этом и о том, что делать, сказано в её собственной строке.
attention-went-back = Касса вернулась к старым данным
todo-went-back = Касса восстановлена из старого образа, или заменён диск. Данные обновятся сами; проверьте последние смены и отметьте как просмотренное.
attention-background = Сервер не может выполнить задачу
todo-background = См. ниже «Что сервер делает сам». Сервер повторяет попытки; если ошибка не проходит, смотрите журнал.
attention-aside = Отложено
todo-aside = Смотрите ниже, в разделе «Отложено»: повторите или удалите.
attention-aside-unread = Не весь список отложенного читается
todo-aside-unread = Причина указана: проверьте диск и журнал. Список будет прочитан снова сам.
attention-load-refused = Загрузка отклонена
todo-load-refused = Ничего из неё не загружено. Исправьте файл и пришлите снова или решите ниже.
attention-silent-long = Молчит сутки или дольше
todo-silent-long = Проверьте питание, сеть и агента на кассе; на время ремонта отметьте кассу как «на ремонте».
attention-never-heard-of = Не выходила на связь с момента создания
todo-never-heard-of = Установите на кассу агента с её cash.ini (cash-server till settings), посмотрите там sync-agent status или удалите кассу здесь.
attention-stranger = Неизвестный код кассы
todo-stranger = Кто-то отчитывается под кодом, которого нет в сети: исправьте cash.code в его cash.ini или заведите кассу здесь.
attention-notices = Отклонённые записи и предупреждения, которых никто не видел
todo-notices = См. ниже «Отклонённые записи и предупреждения»: исправьте записи и передайте их ещё раз или отметьте как просмотренные.
attention-reports-queue = Очередь отчётов создана иначе
todo-reports-queue = Отчёты из неё всё равно читаются. Когда удобно, удалите её, как указано; сервер создаст её заново.
attention-dictionary-log = Журнал справочника на кассе растёт
todo-dictionary-log = Программа на кассе читает dictionaries.db и не завершает транзакцию; каждая загрузка увеличивает журнал рядом с файлом. Завершите эту программу на кассе или перезапустите кассовую программу.
attention-sales-wait = Чеки с кассы не поступают
todo-sales-wait = Чеки остаются на кассе и не потеряны. Если отклонён токен: cash-server till settings --new-token и новый cash.ini на кассе. Иначе посмотрите причину на кассе: sync-agent status.
attention-clock-here = Часы большинства касс расходятся с часами сервера одинаково
todo-clock-here = Скорее всего, неверны часы этого сервера: настройте их (ntp). Если они верны, настройте часы касс.
attention-clock-ahead = Часы кассы спешат
todo-clock-ahead = Настройте их. До этого цены, скидки и ограничения продаж, действующие по времени, начинаются и заканчиваются на этой кассе раньше срока, а чеки и смены датируются более поздним временем.
attention-clock-behind = Часы кассы отстают
todo-clock-behind = Настройте их. До этого цены, скидки и ограничения продаж, действующие по времени, начинаются и заканчиваются на этой кассе позже срока, а чеки и смены датируются более ранним временем.
attention-load-held = Загрузка задержана: она удалила бы слишком много
todo-load-held = Смотрите ниже, в разделе «Отложено»: что она сделает и кнопки «да» и «нет».
attention-inbox-files = Файлы, которые никогда не будут прочитаны
todo-inbox-files = Они лежат в папке загрузки: дайте им правильные имена, создайте флаг или уберите их.
attention-codes-alike = Коды отличаются только нулями в начале
todo-codes-alike = Люди и таблицы примут их за один. Они остаются как есть: при случае дайте одному из них другой код (новый узел, затем удалите старый).

## Units that were set aside, and what a person does with them

aside-explained = Эти единицы не удалось принять. Всё остальное идёт без них.
aside-what = Что
aside-where = Где
aside-since = Давность
aside-why = Почему
aside-here = этот сервер
aside-package = пакет
aside-document = документ
aside-shift = запись смены
aside-message = сообщение кассе
aside-units = единиц на кассе
aside-report = отчёт кассы
aside-stranger = неизвестный код кассы
aside-load = загрузка
aside-sales = пачка продаж
ordered-retry = отправлено «повторить», ждём кассу
ordered-drop = отправлено «удалить», ждём кассу
retry = Повторить
drop = Удалить
drop-confirm = Удалить навсегда?
drop-warning = Удалённое нельзя вернуть.
back = Назад
told-failed = Не удалось выполнить
told-gone = Этого уже нет
told-other-site = Запрос пришёл не с этой страницы
told-stale-page = Страница устарела: вернитесь и повторите
aside-held = Задержанная загрузка
held-approve = Выполнить
held-refuse = Отклонить
aside-files = файлы

## error.txt: его читает тот, кто передаёт файлы справочников

error-file = файл: { $file }
error-not-loaded = не загружен: { $why }
error-more-files = … и ещё { $n ->
    [one] { $n } файл не загружен
    [few] { $n } файла не загружены
   *[many] { $n } файлов не загружено
}
error-rejected = отклонено записей: { $n }
error-aside = отложено на сервере: { $file }
error-advice = что делать: { $advice }
error-more = … и ещё { $n }
error-warnings = предупреждений о загруженных записях: { $n }
error-place = строка { $line }, байт { $byte }
error-field = поле `{ $field }`
error-value = значение `{ $value }`

### Причины: у каждого вида, который хранится или передаётся, есть сообщение `why-<вид>`.

# То, что прежний сервер записал словами, или что говорит касса, брокер или система.
why-worded = { $text }

## Почему записи отклонены

why-ends-in-record = файл обрывается посреди записи
why-ends-in-separator = файл обрывается посреди строки-разделителя
why-ends-before-line = файл обрывается до закрывающей строки `{ $line }`
why-ends-before-sign = данные обрываются до закрывающей `{ $sign }`
why-foreign-input = { $input ->
    [utf16] данные в UTF-16; запишите их в UTF-8
    [zeros] это не текст: в начале нулевой байт, как у файла, оборванного при отключении питания
    [gzip] данные сжаты gzip; передайте их несжатыми
    [zstd] данные сжаты zstd; передайте их несжатыми
   *[zip] это архив zip; передайте файл из него
}
why-not-an-array = тело запроса не массив команд JSON
why-text-after-array = после конца массива есть текст
why-not-utf8 = не UTF-8: строка { $line }, байт { $byte }
why-not-json = не JSON: строка { $line }, байт { $byte }: { $fault ->
    [no-comma-or-brace] ожидалась `,` или `{"}"}`
    [no-name] ожидалось имя поля в двойных кавычках
    [no-colon] ожидалось `:`
    [no-comma-or-bracket] ожидалась `,` или `]`
    [no-digit] ожидалась цифра
    [no-brace] ожидалась `{"{"}`
    [no-bracket] ожидалась `[`
    [too-deep] слишком глубокая вложенность
    [not-finite] NaN и Infinity не относятся к JSON: опустите поле или запишите null
    [number-too-large] число слишком велико для программ, читающих JSON
    [control] управляющий символ в строке нужно экранировать
    [no-end-of-string] у строки нет конца
    [no-hex-digits] после `\u` ожидались четыре шестнадцатеричные цифры
    [wrong-escape] неверное экранирование в строке
    [half-character] половина суррогатной пары в строке: это не символ
    [twice] поле встречается в объекте дважды (регистр в именах не важен)
    [text-follows] после конца записи есть текст
   *[no-value] ожидалось значение
}
why-record-too-large = запись больше { $max } байт
why-too-many-entries = в списках записи больше { $max } элементов: передайте её по частям
why-field-twice = поле `{ $field }` встречается в объекте дважды (регистр в именах не важен)
why-not-an-object = запись не объект JSON
why-no-command = нет `command`
why-command-not-text = `command` не текст
why-unknown-verb = неизвестная команда `{ $verb }`
why-no-payload = нет объекта `{ $payload }`
why-payload-not-object = `{ $payload }` не объект JSON
why-no-key-field = нет ключевого поля `{ $field }`
why-entry-not-object = ожидался объект
why-no-array-of-objects = поле `{ $field }`: ожидался массив объектов
why-wrong-value = поле `{ $field }`: `{ $value }` не { $expected ->
    [text] текст
    [code] код
    [whole-number] целое число
    [flag] true, false, 0 или 1
    [number] число
    [date] дата ГГГГ-ММ-ДД
    [time] время ГГГГ-ММ-ДДTЧЧ:ММ:СС
    [days-or-time] число дней и не время ГГГГ-ММ-ДДTЧЧ:ММ:СС
   *[value] значение
}
why-too-many-decimals = поле `{ $field }`: у `{ $value }` больше { $digits ->
    [one] { $digits } цифры
   *[other] { $digits } цифр
} после запятой
why-too-many-digits = поле `{ $field }`: у `{ $value }` больше { $digits ->
    [one] { $digits } цифры
   *[other] { $digits } цифр
} до запятой
why-number-too-large = поле `{ $field }`: `{ $value }` слишком велико
why-wrong-days = поле `{ $field }`: `{ $value }` не число дней до { $max }
why-too-long = поле `{ $field }`: в `{ $value }` { $chars ->
    [one] { $chars } символ
    [few] { $chars } символа
   *[many] { $chars } символов
}, допускается не больше { $max }
why-too-many-bytes = поле `{ $field }`: в значении { $bytes ->
    [one] { $bytes } байт
    [few] { $bytes } байта
   *[many] { $bytes } байт
}, допускается не больше { $max }
why-not-a-list = поле `{ $field }`: `{ $value }` не список
why-separator-in-key = поле `{ $field }`: в ключе не может быть U+001F

## Предупреждения о принятых записях

why-entry-rejected = этот элемент не принят, прежнее значение осталось: { $reason }
why-value-left-out = значение пропущено: { $reason }
why-text-cut = в тексте { $chars ->
    [one] { $chars } символ
    [few] { $chars } символа
   *[many] { $chars } символов
}, он обрезан до { $max }
why-controls-taken-out = { $count ->
    [one] удалён { $count } управляющий символ
    [few] удалены { $count } управляющих символа
   *[many] удалено { $count } управляющих символов
}
why-picture-left-out = в картинке { $bytes ->
    [one] { $bytes } байт
    [few] { $bytes } байта
   *[many] { $bytes } байт
}, она пропущена; допускается не больше { $max }
why-negative-price = цена меньше нуля
why-no-name = нет наименования
why-shared-barcode = такой же штрихкод у товара { $other }
why-group-in-itself = группа вложена сама в себя
why-not-deleted = удаление не выполнено: отклонена запись, которая, возможно, добавляла этот объект заново

## Загрузки

why-several = { $reasons }
why-nothing-cleared = некоторые записи не приняты, и хотя бы об одной нельзя сказать, какой объект она добавляла: из этих видов ничего не удалено, хотя загрузка их очищает: { $kinds }
why-deletions-left-out = { $count ->
    [one] { $count } удаление не выполнено
    [few] { $count } удаления не выполнены
   *[many] { $count } удалений не выполнено
}: отклонена запись, которая, возможно, добавляла объект заново; строки этих удалений: { $lines }
why-refused = загрузка отклонена целиком: { $reason }
why-refused-for-encoding = загрузка отклонена целиком: { $reason }
why-refused-at-first-reject = загрузка отклонена целиком из-за первой же неверной записи (так задано в настройках)
why-damaged-input = файл в { $encoding }, но повреждён или обрывается на байте { $byte }: запишите его заново
why-other-encoding = файл не в UTF-8, похоже, что это { $looks_like } (видно по байту { $byte }): запишите его в UTF-8 или укажите кодировку в настройках сервера (intake.encoding)
why-not-its-encoding = файл не в { $encoding }, как указано в настройках сервера (intake.encoding), похоже, что это { $looks_like } (видно по байту { $byte }): исправьте одно или другое
why-unknown-encoding = файл не в { $encoding } и ни в одной кодировке, которую сервер узнаёт по байтам (видно по байту { $byte }): запишите его в UTF-8
why-held = задержана, ничего не изменено: { $reasons }. Если так и задумано, подтвердите: `cash-server loads approve { $load }`, кнопкой на странице сервера или словом `approve` во флаге новой передачи; тот же файл ещё раз ничего не изменит
why-would-delete = из { $before } объектов { $objects } { $deleted ->
    [one] был бы удалён { $deleted }
   *[other] было бы удалено { $deleted }
}
why-would-delete-more = столько же было бы удалено ещё из { $kinds ->
    [one] { $kinds } вида
   *[other] { $kinds } видов
}
why-too-many-rejects = из { $records } записей не { $rejected ->
    [one] принята { $rejected }
    [few] приняты { $rejected }
   *[many] принято { $rejected }
}
why-some-rejected = некоторые записи не приняты, остальные загружены
why-some-warned = все записи загружены, о некоторых есть предупреждения
why-no-room = на диске { $folder } свободно { $free } байт: нужно { $need }, и { $reserve } остаются в резерве (server.disk_reserve_mib); освободите место, сервер продолжит сам
why-never-room = на диске { $folder } всего { $size } байт, из них { $reserve } остаются в резерве (server.disk_reserve_mib): { $need } не поместятся никогда
why-kills-server = сервер не пережил { $starts ->
    [one] { $starts } загрузку
    [few] { $starts } загрузки
   *[many] { $starts } загрузок
} этого файла
why-defect = этот файл выявил ошибку сервера; подробности в его журнале
why-unreadable = файл данных не читается: { $detail }
why-rewritten = файл изменён или заменён во время чтения
why-interrupted = прервано: { $detail }
why-database-refuses = база данных сервера не принимает это: { $detail }
why-database-fails = база данных сервера не работает: { $detail }
why-wrong-flag = флаг не читается: { $detail }
why-no-data-file = флаг есть, а файла данных с тем же именем нет
why-still-written = файл данных ещё писали через { $seconds ->
    [one] { $seconds } секунду
    [few] { $seconds } секунды
   *[many] { $seconds } секунд
} после появления флага
why-tried-again = { $reason }; будет ещё { $times ->
    [one] { $times } попытка
    [few] { $times } попытки
   *[many] { $times } попыток
}
why-node-is-gone = { $node } больше нет в сети
why-not-put-aside = { $reason }; отложить тоже не удалось, загрузка ждёт: смотрите журнал сервера
why-written-on = в файл дописали после того, как он был загружен (загрузка { $load }) и удалён; дописанное не загружено; файл сохранён целиком
why-written-on-and-lost = в файл дописали после того, как он был загружен (загрузка { $load }) и удалён; дописанное не загружено и не сохранено: { $detail }
why-vanished = файл или флаг исчез до загрузки: ничего не изменено
why-report-lost = сервер остановился до завершения отчёта; что было отклонено, неизвестно
why-carried-out = выполнена как загрузка { $load }
why-replaced = не выполнена: загрузка { $load } новее и начинается с той же команды { $clears }
why-handed-over-anew = не выполнена: её файл передан заново
why-refused-by-person = отклонена человеком

## Папки загрузки и что в них лежит

why-folder-of-two = такое имя папки у двух узлов; задайте им другие папки в настройках intake.folders, по их кодам
why-folder-of-gone-node = в настройках она отдана узлу { $node }, которого нет в сети
why-inbox-itself = файлы кладут в одну из её папок: All для всей сети, group-<код>, shop-<код> или till-<магазин>-<код>
why-folder-of-nobody = в сети нет узла с папкой `{ $folder }`: заведите узел или положите файл в папку другого; файл загрузится, как только узел появится
why-no-flag = файл данных без флага не читается: создайте флаг (`pos1.flz` для `pos1.aif`) или удалите файл
why-no-data = флаг без файла данных: запишите файл данных и создайте флаг заново или удалите то, что осталось
why-other-name = читаются только файлы данных `pos….aif` и их флаги `pos….flz`: переименуйте файл или уберите его
why-no-node = папка не принадлежит ни одному узлу сети

## Что может сделать тот, кто передал файл

why-free-space = освободите место на диске сервера; файл данных и флаг не трогайте, они загрузятся сами
why-close-before-flag = закрывайте файл данных до создания флага
why-look-at-server = проверьте журнал сервера и его диск; файл данных и флаг не трогайте, они загрузятся, как только база их примет
why-hand-over-in-parts = передайте файл по частям или поставьте серверу диск больше, затем создайте флаг заново
why-ask-support = передайте файл тем, кто сопровождает сервер
why-ask-support-or-correct = передайте файл тем, кто сопровождает сервер; пришлите исправленный
why-rename-then-flag = пишите файл данных под другим именем, переименуйте, затем создайте флаг; после этого ничего в него не пишите
why-give-rights = дайте пользователю сервера право читать файл и писать в его папку, затем создайте флаг заново
why-look-whether-whole = проверьте, целый ли файл: передайте целый или подтвердите загрузку; до этого он остаётся под своим именем
why-correct-and-flag = исправьте файл и создайте флаг заново; до этого файл остаётся под своим именем и не загружен
why-correct-records = исправьте названные здесь записи и передайте файл ещё раз; то, что уже верно, второй раз не отправляется
why-right-folder = перенесите файл данных и флаг в нужную папку или удалите их
why-plain-flag = создайте флаг обычным пустым файлом
why-data-before-flag = сначала пишите файл данных, потом флаг: `pos1.aif`, затем `pos1.flz`
why-write-under-other-name = закрывайте файл данных до создания флага и больше ничего в него не пишите; посмотрите, что сохранено, затем загрузите командой `cash-server aside retry` или удалите

## Отложенное

why-unnamed = касса { $units ->
    [one] её не называет
   *[other] их не называет
}
why-no-till-of-ours = { $till } нет в этой сети; отчётов: { $reports }
